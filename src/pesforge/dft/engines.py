"""What a reference code must offer, and the list of those that are there."""

from collections.abc import Sequence
from typing import Protocol

from ase import Atoms

from pesforge.dft.label import Label
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import SettingsError
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


def get_engine(name: str) -> Engine:
    """The engine of a name.

    Raises:
        SettingsError: there is no such engine.
    """
    if name == "gpaw":
        from pesforge.dft.gpaw_engine import GpawEngine

        return GpawEngine()
    raise SettingsError(f"dft.engine: {name!r} is unknown; allowed: gpaw.")
