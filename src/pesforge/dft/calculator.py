"""A reference code as a calculator of ASE, for moving atoms with it."""

from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from pesforge.dft.engines import Engine
from pesforge.dft.pseudopotentials import reference_settings
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore, OnEvent, calculate_or_recall
from pesforge.driven_settings import Driver
from pesforge.settings import Converge, Dft


class EngineCalculator(Calculator):
    """Energies and forces of an engine; the mesh follows from the `reference_cell` of the atoms, or their own cell.

    Every step is stored: a run that was killed repeats its steps from the store and goes on.

    Args:
        engine: code.
        settings: its settings.
        store: store of the steps, apart from that of the labels.
        max_attempts: attempts per step, each with the engine's next remedy.
        timeout_s: longest time of one attempt in s.
        on_event: called with what happens to every step (`pesforge.dft.store.calculate_or_recall`).
    """

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012

    def __init__(
        self,
        engine: Engine,
        settings: ReferenceSettings,
        store: LabelStore,
        max_attempts: int,
        timeout_s: float,
        on_event: OnEvent | None = None,
    ) -> None:
        super().__init__()
        self.engine, self.settings, self.store = engine, settings, store
        self.max_attempts, self.timeout_s, self.on_event = max_attempts, timeout_s, on_event

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`.

        Raises:
            LabelError: the last attempt failed, or no remedy exists.
        """
        super().calculate(atoms, properties, system_changes)
        assert isinstance(self.atoms, Atoms)
        label = calculate_or_recall(
            self.atoms,
            settings=self.settings,
            engine=self.engine,
            store=self.store,
            max_attempts=self.max_attempts,
            timeout_s=self.timeout_s,
            on_event=self.on_event,
        )
        self.results = {"energy": label.energy, "free_energy": label.energy, "forces": label.forces}


def coarse_settings(dft: Dft, driver: Driver, converge: Converge) -> ReferenceSettings:
    """The settings of the driver `dft`: its own, and the loosest that `converge` tries where it has none.

    Raises:
        DataError: a pseudopotential file cannot be read.
    """
    given: dict[str, Any] = {}
    for key in ("cutoff_ev", "k_spacing_per_ang", "scf_tolerance"):
        own = getattr(driver, key)
        given[key] = getattr(converge, key)[0] if own is None else own
    return reference_settings(dft, smearing_ev=dft.smearing_ev, **given)
