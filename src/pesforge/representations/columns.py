"""What normal equations ask of a set of functions, whatever stands behind its columns."""

from typing import Protocol

from ase import Atoms

from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.neighbours import Pairs


class Columns(Protocol):
    """K functions of a structure, with what the design matrix and the prior need of them."""

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols."""

    @property
    def parts(self) -> tuple[AceBasis, ...]:
        """Sets of invariants, whose columns come first; further columns belong to centres of every species."""

    @property
    def n_functions(self) -> int:
        """Number K of columns."""

    @property
    def degree(self) -> FloatArray:
        """Degree of every column, shape (K,)."""

    @property
    def order(self) -> IntArray:
        """Number of factors of every column, shape (K,)."""

    def species_index(self, atoms: Atoms) -> IntArray:
        """Index into `species` of every atom, shape (n,).

        Raises:
            DataError: an atom's element is not known.
        """

    def rows(self, atoms: Atoms, pairs: Pairs | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows of the design matrix: energy (K,), forces (3n, K) in 1/Å and stress (6, K) in 1/Å³.

        Args:
            atoms: the structure, n atoms.
            pairs: its pairs, up to the largest cutoff at least; None: found here.

        Raises:
            DataError: the structure cannot be described.
        """
