"""What every potential offers, whatever its functional form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray


class Model(Protocol):
    """A potential of known elements, ready to be evaluated and stored."""

    @property
    def kind(self) -> str:
        """Name of the functional form, such as `ace-linear`; it decides which reader loads the stored files."""

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that have parameters."""

    def evaluate(self, atoms: Atoms) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """

    def facts(self) -> Mapping[str, Any]:
        """Plain values that head the model card."""

    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write the model's own files into a folder; return the plain values that its reader needs beside them."""


def knows_nothing(kind: str) -> NoReturn:
    """What a potential of a kind that says nothing about its own errors answers.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"this potential of the kind {kind} holds no posterior, ensemble or calibrated dropout and knows nothing of "
        "its own errors; `pesforge fit --model ace`, or --model ace-neural with --option members=5 or dropout=0.1, "
        "makes one that does."
    )
