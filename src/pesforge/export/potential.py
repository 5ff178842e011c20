"""A fitted potential: what it predicts, what it knows of its errors, and its files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from ase import Atoms
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.export.leverages import Leverages
from pesforge.export.own_error import own_error
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.posterior import Posterior
from pesforge.potentials.quadratic_head import QuadraticHead
from pesforge.representations.arrays import FloatArray
from pesforge.representations.compiled import CompiledAce, compile_ace
from pesforge.representations.evaluator import Evaluator
from pesforge.representations.pair_list import PairList
from pesforge.representations.quadratic import QuadraticBasis
from pesforge.representations.stacked import Basis, basis_from_dict
from pesforge.representations.zbl import Zbl
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.predicted import Uncertainty

WEIGHTS = "weights.safetensors"
Kind = Literal["ace-linear", "ace-neural", "ace-quadratic"]
Head = NeuralHead | HeadEnsemble | QuadraticHead


@dataclass(frozen=True)
class Potential:
    """E = Σ_i [ μ_{z_i} + c·B(i) + h(B(i) M − m) ], the last term not for the kind `ace-linear`.

    Attributes:
        kind: `ace-linear`, `ace-neural` or `ace-quadratic`.
        basis: K invariants per atom.
        coefficients: c (K,) in eV.
        zeros: μ per chemical symbol in eV, of the whole potential: `head.zeros` is not added to it.
        head: h; None for a linear potential.
        matrix: M (K, P); None for a linear potential.
        offset: m (P,); None for a linear potential.
        posterior: of the coefficients, those of a quadratic head included; None: the potential knows nothing of its
            own error, unless it has several heads or a calibrated dropout.
        baseline: screened repulsion of nuclei that is added to all of this; None: there is none.
        calibrated: laws of its own errors; None: none were stored.

    Raises:
        DataError: the parts do not fit together.
    """

    kind: Kind
    basis: Basis
    coefficients: FloatArray
    zeros: Mapping[str, float]
    head: Head | None = None
    matrix: FloatArray | None = None
    offset: FloatArray | None = None
    posterior: Posterior | None = None
    baseline: Zbl | None = None
    calibrated: Calibrated | None = None

    def __post_init__(self) -> None:
        functions = self.basis.n_functions
        self._check_posterior()
        if self.baseline is not None and set(self.baseline.species) != set(self.basis.species):
            raise DataError(f"the repulsion is of {self.baseline.species}, the basis of {self.basis.species}.")
        if self.coefficients.shape != (functions,):
            raise DataError(f"the basis has {functions} functions, but coefficients have {self.coefficients.shape}.")
        numbers = [self.coefficients, np.array(list(self.zeros.values()))]
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in numbers):
            raise DataError("coefficients or energy zeros are not finite numbers.")
        if set(self.zeros) != set(self.basis.species):
            raise DataError(f"energy zeros are of {sorted(self.zeros)}, the basis is of {sorted(self.basis.species)}.")
        parts = (self.head, self.matrix, self.offset)
        if self.kind == "ace-linear":
            if any(part is not None for part in parts):
                raise DataError("a linear potential has no head, matrix or offset.")
        elif self.kind in ("ace-neural", "ace-quadratic"):
            if self.head is None or self.matrix is None or self.offset is None:
                raise DataError(f"a potential of the kind {self.kind} needs a head, a matrix and an offset.")
            if isinstance(self.head, QuadraticHead) != (self.kind == "ace-quadratic"):
                raise DataError(f"a {type(self.head).__name__} does not belong to the kind {self.kind}.")
            inputs = self.head.n_inputs
            if self.matrix.shape != (functions, inputs) or self.offset.shape != (inputs,):
                raise DataError(
                    f"matrix {self.matrix.shape} and offset {self.offset.shape} do not map {functions} functions to "
                    f"the {inputs} inputs of the head."
                )
        else:
            raise DataError(f"kind {self.kind!r} is not known; it is one of {', '.join(get_args(Kind))}.")

    def _check_posterior(self) -> None:
        if self.posterior is None:
            return
        products = self.head.n_products if isinstance(self.head, QuadraticHead) else 0
        functions, species = self.basis.n_functions, len(self.basis.species)
        if len(self.posterior.whitening) != functions + products + species:
            raise DataError(
                f"the posterior is of {len(self.posterior.whitening)} unknowns; {functions} functions, {products} "
                f"products and {species} energy zeros are needed."
            )

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that have parameters."""
        return self.basis.species

    def facts(self) -> Mapping[str, Any]:
        """Plain values that head the model card."""
        facts: dict[str, Any] = {}
        if isinstance(self.head, HeadEnsemble):
            facts["heads"] = len(self.head.members)
        if isinstance(self.head, QuadraticHead):
            facts["projections"] = self.head.n_inputs
        if self.baseline is not None:
            facts["repulsion"] = f"ZBL, switched off from {self.baseline.inner_ang:g} to {self.baseline.outer_ang:g} Å"
        return {**facts, **self.basis.facts(), "energy zeros in eV": dict(self.zeros)}

    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write `weights.safetensors` and the files of the head; return what `read` needs beside them."""
        tensors = {"coefficients": self.coefficients, "matrix": self.matrix, "offset": self.offset}
        arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items() if array is not None}
        save_file(arrays, folder / WEIGHTS)
        if self.head is not None:
            self.head.save(folder)
        if self.posterior is not None:
            self.posterior.save(folder)
        if self.calibrated is not None:
            self.calibrated.save(folder)
        described = {
            "basis": self.basis.to_dict(),
            "zeros_ev": {key: float(value) for key, value in self.zeros.items()},
            "posterior": self.posterior is not None,
            "calibration": self.calibrated is not None,
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
        }
        return described | ({"heads": len(self.head.members)} if isinstance(self.head, HeadEnsemble) else {})

    @classmethod
    def read(cls, folder: Path, described: Mapping[str, Any]) -> Self:
        """The potential that `write` stored, from its files and from the values that it returned."""
        tensors = load_file(folder / WEIGHTS)
        head: Head | None = None
        if described["kind"] == "ace-quadratic":
            head = QuadraticHead.load(folder)
        if described["kind"] == "ace-neural":
            several = "heads" in described
            head = HeadEnsemble.load(folder, int(described["heads"])) if several else NeuralHead.load(folder)
        return cls(
            kind=described["kind"],
            basis=basis_from_dict(described["basis"]),
            coefficients=tensors["coefficients"],
            zeros={str(symbol): float(value) for symbol, value in described["zeros_ev"].items()},
            head=head,
            matrix=tensors.get("matrix"),
            offset=tensors.get("offset"),
            posterior=Posterior.load(folder) if described.get("posterior") else None,
            baseline=Zbl.from_dict(described["baseline"]) if described.get("baseline") else None,
            calibrated=Calibrated.load(folder) if described.get("calibration") else None,
        )

    @property
    def members(self) -> tuple[Self, ...]:
        """The potentials of the single heads of an ensemble; the potential alone where there is no ensemble."""
        if not isinstance(self.head, HeadEnsemble):
            return (self,)
        linear = {
            symbol: self.zeros[symbol] - mean
            for symbol, mean in zip(self.basis.species, self.head.zeros.tolist(), strict=True)
        }
        return tuple(
            replace(
                self,
                head=head,
                zeros={key: linear[key] + own for key, own in zip(linear, head.zeros.tolist(), strict=True)},
            )
            for head in self.head.members
        )

    def spread(self, atoms: Atoms) -> tuple[float, FloatArray]:
        """Standard deviations over the members: of the energy in eV and of the forces (n, 3) in eV/Å.

        Raises:
            DataError: the potential is no ensemble, or the structure cannot be described.
        """
        if len(self.members) < 2:
            raise DataError("this potential has one member: fit an ensemble, such as with --option members=5.")
        found = [member.evaluate(atoms) for member in self.members]
        energy = np.std([energies.sum() for energies, _, _ in found], ddof=1)
        return float(energy), np.std([forces for _, forces, _ in found], axis=0, ddof=1)

    def atom_gradient(self, invariants: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV without their zeros, and the derivatives (n, K) by the invariants (n, K)."""
        energies = invariants @ self.coefficients
        slopes = np.tile(self.coefficients, (len(invariants), 1))
        if self.head is None or self.matrix is None or self.offset is None:
            return energies, slopes
        correction, gradient = self.head.energies_and_gradient(invariants @ self.matrix - self.offset)
        return energies + correction, slopes + gradient @ self.matrix.T

    def uncertainty(self, atoms: Atoms, *, forces: bool = False, pairs: PairList | None = None) -> Uncertainty:
        """What the potential says about its own errors on a structure, calibrated where the laws were stored.

        Linear and quadratic potentials know it from their posterior, ensembles from their members, heads with dropout
        from heads with other neurons left out.

        Args:
            atoms: the structure.
            forces: whether those of forces and stress are given too. By the posterior they cost about as much as the
                forces of hundreds of steps, and memory for a row of every function per component.
            pairs: pairs that a linear potential keeps from step to step of a moving structure; None: found anew.

        Raises:
            DataError: the potential cannot know, or not of forces; an element has no parameters; atoms coincide.
        """
        return own_error(self, atoms, forces=forces, pairs=pairs)

    def atom_rows(self, atoms: Atoms) -> FloatArray:
        """Rows (n, K + Z) of the energies of single atoms, as the posterior takes them.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """
        species = self.basis.species_index(atoms)
        invariants, own = self.basis.invariants(atoms), np.eye(len(self.basis.species))[species]
        rows = [invariants, own]
        if isinstance(self.head, QuadraticHead) and self.matrix is not None and self.offset is not None:
            rows.insert(1, self.head.products(invariants @ self.matrix - self.offset))
        return np.concatenate(rows, axis=1)

    def knowing(self, frames: Iterable[Atoms]) -> Self:
        """The same potential whose posterior knows where the atoms of the training structures lie.

        Raises:
            DataError: there is no posterior, or there are no structures.
        """
        if self.posterior is None:
            raise DataError("this potential holds no posterior that training atoms could bound.")
        rows = (self.atom_rows(atoms) for atoms in frames)
        return replace(self, posterior=self.posterior.seen(rows, len(self.species)))

    @property
    def row_basis(self) -> Basis | QuadraticBasis:
        """What gives the rows of forces and stress: the products of a quadratic head stand behind the invariants."""
        if isinstance(self.head, QuadraticHead) and self.matrix is not None and self.offset is not None:
            return QuadraticBasis(self.basis, self.matrix, self.offset + self.head.mean)
        return self.basis

    def compiled(self) -> CompiledAce:
        """Flat tables of the linear part, zeros included; a head and the baseline are not in them."""
        zeros = np.array([self.zeros[symbol] for symbol in self.basis.species])
        return compile_ace(self.basis, self.coefficients, zeros)

    @cached_property
    def leverages(self) -> Leverages:
        """What gives the leverages of atoms of a linear potential in a run.

        Raises:
            DataError: there is no posterior.
        """
        if self.posterior is None:
            raise DataError("this potential holds no posterior, which leverages come from.")
        return Leverages(self.basis, self.posterior)

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.compiled())

    def evaluate(self, atoms: Atoms, pairs: PairList | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Args:
            atoms: the structure.
            pairs: pairs that a linear potential keeps from step to step of a moving structure; None: found anew.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """
        missing = sorted(set(atoms.get_chemical_symbols()) - set(self.zeros))
        if missing:
            raise DataError(
                f"The potential has no parameters for {', '.join(missing)}; it is made for "
                f"{', '.join(self.basis.species)}. Train a potential whose study holds these elements."
            )
        pairs = PairList(0.0) if pairs is None else pairs
        energies, forces, stress = self._without_baseline(atoms, pairs)
        if self.baseline is None:
            return energies, forces, stress
        more = self.baseline.evaluate(atoms, pairs.shorter)
        return energies + more[0], forces + more[1], stress + more[2]

    def _without_baseline(self, atoms: Atoms, pairs: PairList) -> tuple[FloatArray, FloatArray, FloatArray]:
        if self.kind == "ace-linear":
            return self._evaluator.evaluate(atoms, pairs)
        energies, forces, stress = self.basis.evaluate(atoms, self.atom_gradient)
        return energies + np.array([self.zeros[symbol] for symbol in atoms.get_chemical_symbols()]), forces, stress
