"""What a reference code must offer, and the list of those that are there."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from ase import Atoms

from pesforge.dft.label import Label
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.settings import Dft


class Engine(Protocol):
    """A code that computes labels."""

    @property
    def name(self) -> str:
        """Name in the settings."""

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail with these settings and elements, found without a calculation."""

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh, attempt: int) -> Label:
        """The label of a structure.

        Args:
            atoms: structure.
            settings: reference settings.
            mesh: Γ-centred k-points.
            attempt: from 1; each further attempt uses the engine's next remedy against SCF failure.

        Raises:
            LabelError: the calculation failed.
        """

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> float:
        """Rough time of one label in s on one core."""


ENGINE_MODULES = {
    "gpaw": ("dft/gpaw_engine",),
    "espresso": ("dft/espresso_engine", "dft/program_engine", "dft/pseudopotentials"),
    "abinit": ("dft/abinit_engine", "dft/program_engine", "dft/pseudopotentials"),
    "cp2k": ("dft/cp2k_engine", "dft/program_engine", "dft/pseudopotentials"),
    "vasp": ("dft/vasp_engine", "dft/program_engine", "dft/pseudopotentials"),
}
"""Modules whose code decides the labels of each engine; labels of other code are never found again in a store."""


def remedies(engine: str) -> list[str]:
    """The remedies of an engine in words, that of attempt 1 first; they are its parameters.

    Args:
        engine: name in the settings.
    """
    module = import_module(f"pesforge.{ENGINE_MODULES[engine][0].replace('/', '.')}")
    return [_words(remedy) for remedy in module.REMEDIES]


def _words(parameters: Any) -> str:
    """Parameters as one line: `name value, name value`."""
    if isinstance(parameters, dict):
        return ", ".join(f"{key} {_words(value)}" for key, value in parameters.items()) or "as by default"
    return str(parameters)


def get_engine(dft: Dft) -> Engine:
    """The engine that the settings name."""
    if dft.engine == "espresso":
        from pesforge.dft.espresso_engine import EspressoEngine

        return EspressoEngine(dft)
    if dft.engine == "abinit":
        from pesforge.dft.abinit_engine import AbinitEngine

        return AbinitEngine(dft)
    if dft.engine == "cp2k":
        from pesforge.dft.cp2k_engine import Cp2kEngine

        return Cp2kEngine(dft)
    if dft.engine == "vasp":
        from pesforge.dft.vasp_engine import VaspEngine

        return VaspEngine(dft)
    from pesforge.dft.gpaw_engine import GpawEngine
    from pesforge.dft.isolation import OwnProcess

    return OwnProcess(GpawEngine(), module="gpaw")
