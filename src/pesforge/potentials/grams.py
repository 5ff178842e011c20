"""Normal equations from rows that stream by: Gram matrices per fold and family, whatever the number of structures.

Rows of one structure after the other are multiplied into Gram matrices and forgotten, so that memory does not grow with
the number of structures. Cross-validation by folds needs the Gram matrices alone: the squared residuals of forces that
were left out are vᵀ G v - 2 vᵀ b + yᵀ y.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg
from ase import Atoms

from pesforge import fields as names
from pesforge.errors import DataError
from pesforge.potentials.linear import prior_scale
from pesforge.potentials.normal import Centring, Factor, Weights, cholesky_factor
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.columns import Columns
from pesforge.representations.design import Progress, Rows, rows_of
from pesforge.representations.neighbours import Pairs

CHUNK_ROWS = 1536
"""Rows that are multiplied at once: enough for the speed of a matrix product, few beside the Gram matrix."""


@dataclass
class Sums:
    """What some structures add to the normal equations of forces and of stresses: XᵀX (K, K), Xᵀy (K,), yᵀy, rows."""

    gram: FloatArray
    right: FloatArray
    squares: float = 0.0
    rows: int = 0

    @classmethod
    def zero(cls, size: int) -> "Sums":
        """Sums of nothing."""
        return cls(np.zeros((size, size)), np.zeros(size))

    def add(self, other: "Sums", columns: IntArray | slice = slice(None)) -> None:
        """Add sums over some of the columns."""
        if isinstance(columns, slice):
            self.gram += other.gram
        else:
            self.gram[np.ix_(columns, columns)] += other.gram
        self.right[columns] += other.right
        self.squares += other.squares
        self.rows += other.rows

    def residual_squares(self, vector: FloatArray) -> float:
        """Sum of squared residuals of a solution (K,)."""
        return max(float(vector @ (self.gram @ vector) - 2 * vector @ self.right) + self.squares, 0.0)

    def scaled(self, scale: FloatArray) -> "Sums":
        """The sums with every column multiplied by its scale (K,), in place."""
        if self.rows:
            self.gram *= scale[:, None]
            self.gram *= scale
            self.right *= scale
        return self


class Equations(NamedTuple):
    """Normal matrix (P, P) and right side (P,): of energies without their weight, and of the other labels with it."""

    energy_normal: FloatArray
    energy_right: FloatArray
    normal: FloatArray
    right: FloatArray

    def weighted(self, energy_weight: float) -> tuple[FloatArray, FloatArray]:
        """Both together, in arrays of their own."""
        whole = energy_weight * self.energy_normal
        whole += self.normal
        return whole, energy_weight * self.energy_right + self.right


@dataclass(frozen=True)
class HeldOut:
    """Residuals of structures that a fit by folds has not seen: energy (S,) in eV/atom, rms force and stress.

    `stress_rms` is in eV/Å³, NaN where no stress is labelled.
    """

    energy: FloatArray
    force_rms: float
    stress_rms: float


def stored_labels(atoms: Atoms) -> tuple[float, FloatArray, FloatArray | None]:
    """Energy in eV, forces (3n,) in eV/Å and, where there is one, stress (6,) in eV/Å³ of a labelled structure.

    Raises:
        DataError: there is no energy or no forces.
    """
    results = {} if atoms.calc is None else atoms.calc.results
    if "energy" not in results or "forces" not in results:
        raise DataError(f"structure {atoms.info.get(names.ID, '')} has no energy or forces to fit.")
    stress = results.get("stress")
    forces = np.asarray(results["forces"], dtype=float).ravel()
    return float(results["energy"]), forces, None if stress is None else np.asarray(stress, dtype=float)


class GramProblem:
    """Normal equations of labelled structures, ready for any weights, α, subset of functions and fold.

    Prior scales and centring are those of `pesforge.potentials.linear.LinearProblem`.

    Args:
        frames: labelled structures with group and family.
        basis: K functions.
        folds: indices of the structures of each fold; together all structures.
        prior_power: p of the prior scale 1/[rms force column × (1 + degree)^p].
        keep_bytes: rows are kept in memory if they need no more than this.
        pairs: pairs of each structure, up to the largest cutoff at least; None: found here, one structure at a time.
        progress: called after every structure.

    Raises:
        DataError: a structure has no label or cannot be described, or no function changes with the positions.
    """

    def __init__(
        self,
        frames: Sequence[Atoms],
        basis: Columns,
        folds: Sequence[IntArray],
        *,
        prior_power: float,
        keep_bytes: float = 0.0,
        pairs: Sequence[Pairs] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.frames, self.basis, self.folds = frames, basis, folds
        size, n_species = basis.n_functions, len(basis.species)
        self.n_atoms = np.array([len(atoms) for atoms in frames], dtype=np.int64)
        self.fold = np.empty(len(frames), dtype=np.int64)
        for number, members in enumerate(folds):
            self.fold[members] = number
        self.families = [str(atoms.info.get(names.FAMILY, "")) for atoms in frames]
        self.kept: list[Rows] | None = None
        self._last: tuple[tuple[float, float, bytes], list[Equations], Equations] | None = None
        if size * 8.0 * (3 * self.n_atoms.sum() + 7 * len(frames)) <= keep_bytes:
            self.kept = [(np.empty(0), np.empty(0), np.empty(0))] * len(frames)
        energy_rows = np.empty((len(frames), size))
        self.counts = np.zeros((len(frames), n_species))
        y_energy = np.empty(len(frames))
        distinct = list(dict.fromkeys(self.families))
        by_family = len(distinct) > 1
        self.fold_sums = [(Sums.zero(size), Sums.zero(size)) for _ in folds]
        self.family_sums = {name: (Sums.zero(size), Sums.zero(size)) for name in distinct} if by_family else {}
        self._stream(energy_rows, y_energy, pairs, progress)
        self.centring = Centring.of(self.counts, energy_rows, y_energy)
        self.n_species = n_species
        self._finish(energy_rows, y_energy, prior_power)

    def _active(self, present: tuple[int, ...]) -> IntArray | slice:
        """Columns of the centres' species that are present, and those of all species."""
        if len(present) == len(self.basis.species):
            return slice(None)
        columns, start = [], 0
        for part in self.basis.parts:
            width = len(part.functions)
            columns += [np.arange(width) + start + width * species for species in present]
            start += part.n_functions
        return np.concatenate([*columns, np.arange(start, self.basis.n_functions)])

    def _stream(
        self,
        energy_rows: FloatArray,
        y_energy: FloatArray,
        pairs: Sequence[Pairs] | None,
        progress: Progress | None,
    ) -> None:
        species = [tuple(np.unique(self.basis.species_index(atoms)).tolist()) for atoms in self.frames]
        keys = [(int(self.fold[s]), self.families[s], species[s]) for s in range(len(self.frames))]
        force, stress = _Buffer(), _Buffer()
        for place, s in enumerate(order := sorted(range(len(keys)), key=lambda s: keys[s])):
            atoms, columns = self.frames[s], self._active(species[s])
            rows = rows_of(atoms, self.basis, str(s), None if pairs is None else pairs[s])
            energy, forces, tensor = stored_labels(atoms)
            if self.kept is not None:
                self.kept[s] = rows
            energy_rows[s], y_energy[s] = rows[0], energy
            self.counts[s] = np.bincount(self.basis.species_index(atoms), minlength=self.counts.shape[1])
            force.append(rows[1][:, columns], forces)
            if tensor is not None and np.isfinite(rows[2]).all():
                stress.append(rows[2][:, columns], tensor)
            last = place + 1 == len(order) or keys[order[place + 1]] != keys[s]
            if last or force.rows >= CHUNK_ROWS:
                targets = [self.fold_sums[keys[s][0]]]
                targets += [self.family_sums[keys[s][1]]] if self.family_sums else []
                for buffer, kind in ((force, 0), (stress, 1)):
                    part = buffer.take()
                    for target in targets:
                        if part is not None:
                            target[kind].add(part, columns)
            if progress is not None:
                progress(place + 1, len(order))

    def _finish(self, energy_rows: FloatArray, y_energy: FloatArray, prior_power: float) -> None:
        squares = np.sum([np.diag(force.gram) for force, _ in self.fold_sums], axis=0)
        rms = np.sqrt(squares / sum(force.rows for force, _ in self.fold_sums))
        self.scale: FloatArray = prior_scale(rms, self.basis.degree, prior_power, self.n_species)
        rows, share = self.centring.rows(self.counts, energy_rows), self.counts / self.n_atoms[:, None]
        self.energy_rows: FloatArray = np.hstack([rows, share]) * self.scale
        self.y_energy = self.centring.targets(self.counts, y_energy)
        for pair in (*self.fold_sums, *self.family_sums.values()):
            for sums in pair:
                sums.scaled(self.scale[: self.basis.n_functions])

    def stretch(self, factor: FloatArray) -> None:
        """Multiply the prior scales of the functions by a factor (K,), in place; powers of two leave no rounding."""
        for pair in (*self.fold_sums, *self.family_sums.values()):
            for sums in pair:
                sums.scaled(factor)
        self.scale[: len(factor)] *= factor
        self.energy_rows[:, : len(factor)] *= factor
        self._last = None

    def energy_rows_of(self, mask: BoolArray) -> FloatArray:
        """Scaled and centred energy rows (S, P) of some functions (K,) and of the energy zeros."""
        return self.energy_rows[:, self._columns(mask)]

    def _columns(self, mask: BoolArray) -> IntArray:
        if mask.shape != (self.basis.n_functions,) or not mask.any():
            raise DataError(f"the mask of functions must have length {self.basis.n_functions} and select at least one.")
        return np.flatnonzero(np.append(mask, np.ones(self.n_species, dtype=np.bool_)))

    def _part(self, weights: Weights, chosen: IntArray, pair: tuple[Sums, Sums], structures: IntArray) -> Equations:
        """Normal equations of some structures."""
        functions = chosen[: -self.n_species]
        n, size = len(functions), len(chosen)
        every = n == self.basis.n_functions
        rows = self.energy_rows[structures] if every else self.energy_rows[np.ix_(structures, chosen)]
        normal, right = np.zeros((size, size)), np.zeros(size)
        for weight, sums in zip((weights.force, weights.stress), pair, strict=True):
            if weight and sums.rows:
                block = sums.gram if every else sums.gram[np.ix_(functions, functions)]
                normal[:n, :n] += block if weight == 1.0 else weight * block
                right[:n] += weight * sums.right[functions]
        return Equations(rows.T @ rows, self.y_energy[structures] @ rows, normal, right)

    def _parts(self, weights: Weights, mask: BoolArray, chosen: IntArray) -> tuple[list[Equations], Equations]:
        """Normal equations of every fold, and of all folds together.

        Those of the last functions and weights of forces and stresses are kept: the energy weight is free.
        """
        key = (weights.force, weights.stress, mask.tobytes())
        if self._last is None or self._last[0] != key:
            self._last = None
            found = [
                self._part(weights, chosen, pair, members)
                for pair, members in zip(self.fold_sums, self.folds, strict=True)
            ]
            total = Equations(*(np.zeros_like(array) for array in found[0]))
            for part in found:
                for whole, array in zip(total, part, strict=True):
                    whole += array
            self._last = key, found, total
        return self._last[1], self._last[2]

    def _family(self, weights: Weights, chosen: IntArray, name: str) -> Equations:
        members = np.flatnonzero(np.array(self.families) == name)
        return self._part(weights, chosen, self.family_sums[name], members)

    def held_out(self, weights: Weights, alpha: float, mask: BoolArray) -> HeldOut:
        """Residuals of every structure by the fit to the other folds.

        Args:
            weights: weights of squared residuals.
            alpha: prior precision.
            mask: functions (K,).

        Raises:
            DataError: a factorisation fails.
        """
        chosen = self._columns(mask)
        functions = chosen[: -self.n_species]
        parts, total = self._parts(weights, mask, chosen)
        normal, right = total.weighted(weights.energy)
        energy, squares, rows = np.empty(len(self.frames)), np.zeros(2), np.zeros(2)
        whole = np.zeros(self.basis.n_functions)
        for part, pair, members in zip(parts, self.fold_sums, self.folds, strict=True):
            fold_normal, fold_right = part.weighted(weights.energy)
            np.subtract(normal, fold_normal, out=fold_normal)
            vector = _solved(fold_normal, right - fold_right, alpha)
            energy[members] = self.energy_rows[np.ix_(members, chosen)] @ vector - self.y_energy[members]
            whole[functions] = vector[: len(functions)]
            for kind, sums in enumerate(pair):
                if sums.rows:
                    squares[kind] += sums.residual_squares(whole)
                    rows[kind] += sums.rows
        rms = np.sqrt(np.divide(squares, rows, out=np.full(2, np.nan), where=rows > 0))
        return HeldOut(energy, float(rms[0]), float(rms[1]))

    def factorise(self, weights: Weights, alpha: float, mask: BoolArray, without: str | int | None = None) -> Factor:
        """The factorised normal equations of all structures.

        Args:
            weights: weights of squared residuals.
            alpha: prior precision.
            mask: functions (K,).
            without: a family (its name) or a fold (its number) that is left out; None: none.

        Raises:
            DataError: the normal matrix is not positive definite.
        """
        chosen = self._columns(mask)
        parts, total = self._parts(weights, mask, chosen)
        normal, right = total.weighted(weights.energy)
        if without is not None:
            part = parts[without] if isinstance(without, int) else self._family(weights, chosen, without)
            taken, taken_right = part.weighted(weights.energy)
            normal, right = normal - taken, right - taken_right
        normal[np.diag_indices_from(normal)] += alpha
        lower = cholesky_factor(normal, alpha)
        squares = weights.energy * float(self.y_energy @ self.y_energy)
        rows = len(self.y_energy)
        for pair in self.fold_sums:
            for weight, sums in zip((weights.force, weights.stress), pair, strict=True):
                squares, rows = squares + weight * sums.squares, rows + (sums.rows if weight else 0)
        return Factor(
            weights=weights,
            alpha=alpha,
            columns=mask,
            scale=self.scale[chosen],
            centring=self.centring,
            normal=normal,
            right=right,
            cholesky=lower,
            vector=scipy.linalg.cho_solve((lower, True), right, check_finite=False),
            n_rows=rows,
            weighted_squares=squares,
        )


class _Buffer:
    """Rows and targets that wait to be multiplied."""

    def __init__(self) -> None:
        self.parts: list[FloatArray] = []
        self.targets: list[FloatArray] = []
        self.rows = 0

    def append(self, rows: FloatArray, targets: FloatArray) -> None:
        self.parts.append(rows)
        self.targets.append(targets)
        self.rows += len(targets)

    def take(self) -> Sums | None:
        """Sums of the waiting rows, which are then forgotten; None if there are none."""
        if not self.rows:
            return None
        rows, targets = np.concatenate(self.parts), np.concatenate(self.targets)
        self.parts, self.targets, self.rows = [], [], 0
        return Sums(rows.T @ rows, targets @ rows, float(targets @ targets), len(targets))


def _solved(normal: FloatArray, right: FloatArray, alpha: float) -> FloatArray:
    normal[np.diag_indices_from(normal)] += alpha
    solution: FloatArray = scipy.linalg.cho_solve(
        (cholesky_factor(normal, alpha), True), right, check_finite=False, overwrite_b=True
    )
    return solution
