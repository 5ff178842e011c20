"""Potentials of few parameters with a physical meaning: pair, embedded atom, bond order. One formula fits and runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol, Self

import numpy as np
from ase import Atoms
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.potentials.bonds import Array, Bonds, Functions, NumpyFunctions, species_numbers
from pesforge.potentials.eam import EamForm
from pesforge.potentials.model import knows_nothing
from pesforge.potentials.pair import PairForm
from pesforge.potentials.tersoff import TersoffForm
from pesforge.representations.arrays import FloatArray

PARAMETERS = "parameters.safetensors"


class Form(Protocol):
    """A functional form: everything but the values of its parameters and the energy zeros."""

    kind: ClassVar[str]
    """Name of the form, which is the kind of its potentials."""

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that have parameters."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the parameters by name."""

    def bonds(self, atoms: Atoms) -> Bonds:
        """The bonds of a structure with the constants and angles of the form, in numpy.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """

    def energies(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """Energies of atoms (n,) in eV without their zeros, and derivatives (P, 3) by the bond vectors in eV/Å.

        Args:
            functions: of numpy or torch.
            parameters: by the names of `shapes`.
            bonds: of one structure or of several ones.
        """

    def facts(self, parameters: Mapping[str, FloatArray]) -> Mapping[str, Any]:
        """Plain values of the parameters in their usual units, for the model card."""

    def to_dict(self) -> dict[str, Any]:
        """The form as builtin types."""


FORMS: Mapping[str, Any] = {form.kind: form for form in (PairForm, EamForm, TersoffForm)}


@dataclass(frozen=True)
class ClassicalPotential:
    """E = Σ_i [ μ_{z_i} + E_i ], E_i by a functional form.

    Attributes:
        form: the functional form.
        parameters: its parameters by name.
        zeros: μ per chemical symbol in eV.

    Raises:
        DataError: the parts do not fit together.
    """

    form: Form
    parameters: Mapping[str, FloatArray]
    zeros: Mapping[str, float]

    def __post_init__(self) -> None:
        found = {name: array.shape for name, array in self.parameters.items()}
        expected = dict(self.form.shapes())
        if found != expected:
            raise DataError(f"a {self.kind} potential has parameters of the shapes {expected}; found {found}.")
        if set(self.zeros) != set(self.form.species):
            raise DataError(f"energy zeros are of {sorted(self.zeros)}, the form is of {sorted(self.form.species)}.")

    @property
    def kind(self) -> str:
        """`pair`, `eam` or `tersoff`."""
        return self.form.kind

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that have parameters."""
        return self.form.species

    @property
    def n_parameters(self) -> int:
        """Number of parameters without the energy zeros."""
        return sum(array.size for array in self.parameters.values())

    def uncertainty(self, atoms: Atoms, *, forces: bool = False) -> NoReturn:
        """Refuse: one set of parameters by gradients says nothing of its own errors.

        Raises:
            DataError: always.
        """
        knows_nothing(self.kind)

    def evaluate(self, atoms: Atoms) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """
        bonds = self.form.bonds(atoms)
        energies, pulls = self.form.energies(NumpyFunctions(), self.parameters, bonds)
        zeros = np.array([self.zeros[symbol] for symbol in self.species])
        forces = NumpyFunctions.total(pulls, bonds.first, len(atoms))
        forces -= NumpyFunctions.total(pulls, bonds.second, len(atoms))
        stress = np.full(6, np.nan)
        if atoms.pbc.all():
            virial = np.einsum("pa,pb,p->ab", pulls, bonds.unit, bonds.distance) / atoms.get_volume()
            stress = ((virial + virial.T) / 2).flat[[0, 4, 8, 5, 2, 1]]
        return energies + zeros[species_numbers(atoms, self.species)], forces, stress

    def facts(self) -> Mapping[str, Any]:
        """Plain values that head the model card."""
        return {
            "parameters": self.n_parameters,
            **self.form.facts(self.parameters),
            "energy zeros in eV": dict(self.zeros),
        }

    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write `parameters.safetensors`; return what `read` needs beside it."""
        arrays = {name: np.ascontiguousarray(array) for name, array in sorted(self.parameters.items())}
        save_file(arrays, folder / PARAMETERS)
        return {"form": self.form.to_dict(), "zeros_ev": {key: float(value) for key, value in self.zeros.items()}}

    @classmethod
    def read(cls, folder: Path, described: Mapping[str, Any]) -> Self:
        """The potential that `write` stored, from its file and from the values that it returned."""
        form = dict(described["form"])
        form["species"] = tuple(form["species"])
        return cls(
            form=FORMS[described["kind"]](**form),
            parameters=load_file(folder / PARAMETERS),
            zeros={str(symbol): float(value) for symbol, value in described["zeros_ev"].items()},
        )
