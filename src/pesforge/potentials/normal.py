"""Normal equations of the linear potential: rows of the labels, their factorisation, and taking a block out of it.

The energy is E = Σ_i (μ_{z_i} + Σ_k c_k B_k(i)). With column scales s, c = s v and prior v ~ N(0, 1/(α β)), the fit
minimises Σ w_E (residual per atom)² + w_F (force residual)² + w_S (stress residual)² + α |v|², each weight times the
emphasis of the structure. Its normal matrix is H = Xᵀ X + α, X being the weighted and scaled rows.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.representations.arrays import BoolArray, FloatArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

KINDS = ("energy", "force", "stress")
SAME_COMPOSITION = 1e-9
"""Relative differences between compositions that are rounding: where all are alike, species share what they explain."""


@dataclass(frozen=True)
class Weights:
    """Weights of squared residuals: energy per (eV/atom)², force per (eV/Å)², stress per (eV/Å³)²."""

    energy: float
    force: float
    stress: float

    def of_kind(self, kind: str) -> float:
        """Weight of `energy`, `force` or `stress`."""
        return {"energy": self.energy, "force": self.force, "stress": self.stress}[kind]

    @classmethod
    def of(cls, settings: Crossvalidate) -> "Weights":
        """The weights of a study."""
        return cls(settings.w_energy, settings.w_force, settings.w_stress)


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear potential.

    Args:
        coefficients: (K,) in eV per function; 0 for functions that the fit did not use.
        zeros: (Z,) energy of a free atom of each species in eV, as the fit sees it.
        columns: (K,) mask of the functions used.
        weights: weights of the fit.
        alpha: prior precision of the fit.
    """

    coefficients: FloatArray
    zeros: FloatArray
    columns: BoolArray
    weights: Weights
    alpha: float


@dataclass(frozen=True)
class Centring:
    """What composition alone says about energies and invariants per atom, by least squares; it is taken off both.

    Without it all energy rows of a fit are nearly one row: energies lie far from 0, and so do the means of low-degree
    functions. The normal matrix would be ill conditioned by that alone.

    Args:
        energy: (Z,) energy per atom of each species in eV.
        functions: (Z, K) invariants per atom of each species.
    """

    energy: FloatArray
    functions: FloatArray

    @classmethod
    def of(
        cls, counts: FloatArray, energy_rows: FloatArray, y_energy: FloatArray, emphasis: FloatArray | float = 1.0
    ) -> "Centring":
        """The centring of structures.

        Args:
            counts: (S, Z) atoms of each species.
            energy_rows: (S, K) summed invariants.
            y_energy: (S,) energies in eV.
            emphasis: (S,) weights of the structures.
        """
        n_atoms = counts.sum(axis=1, keepdims=True)
        root = np.broadcast_to(np.sqrt(emphasis), len(counts))[:, None]
        share, values = root * (counts / n_atoms), root * (np.column_stack([energy_rows, y_energy]) / n_atoms)
        found = scipy.linalg.lstsq(share, values, cond=SAME_COMPOSITION)[0]
        return cls(found[:, -1], found[:, :-1])

    def rows(self, counts: FloatArray, energy_rows: FloatArray) -> FloatArray:
        """Centred energy rows per atom (S, K)."""
        n_atoms = counts.sum(axis=1, keepdims=True)
        return energy_rows / n_atoms - counts / n_atoms @ self.functions

    def targets(self, counts: FloatArray, y_energy: FloatArray) -> FloatArray:
        """Centred energies per atom (S,) in eV."""
        n_atoms = counts.sum(axis=1)
        return y_energy / n_atoms - counts @ self.energy / n_atoms

    def zeros(self, unknowns: FloatArray, coefficients: FloatArray) -> FloatArray:
        """Energy zeros (Z,) in eV from those of the centred rows (Z,) and the coefficients (K,)."""
        return unknowns + self.energy - self.functions @ coefficients


def label_rows(design: Design, centring: Centring) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """Per kind the rows without any weight: function columns (R, K), species columns (R, Z), targets (R,).

    Energy rows are per atom and centred; stress components without a label are left out.
    """
    share = design.counts / design.n_atoms[:, None]
    present = stress_present(design)
    n_species = design.counts.shape[1]
    return {
        "energy": (
            centring.rows(design.counts, design.energy),
            share,
            centring.targets(design.counts, design.y_energy),
        ),
        "force": (design.forces, np.zeros((len(design.y_forces), n_species)), design.y_forces),
        "stress": (design.stress[present], np.zeros((int(present.sum()), n_species)), design.y_stress[present]),
    }


def row_emphasis(design: Design) -> dict[str, FloatArray]:
    """Per kind the weights (R,) that the rows of `label_rows` have by their structure (`Design.emphasis`)."""
    energy, force, stress = design.emphasis.T
    return {
        "energy": energy,
        "force": np.repeat(force, 3 * design.n_atoms),
        "stress": np.repeat(stress, 6)[stress_present(design)],
    }


def emphasised_rows(design: Design, centring: Centring) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """The rows of `label_rows` times the roots of their `row_emphasis`."""
    rows, emphasis = label_rows(design, centring), row_emphasis(design)
    if np.all(design.emphasis == 1.0):
        return rows
    roots = {kind: np.sqrt(emphasis[kind]) for kind in rows}
    return {
        kind: (functions * roots[kind][:, None], zeros * roots[kind][:, None], targets * roots[kind])
        for kind, (functions, zeros, targets) in rows.items()
    }


def stress_present(design: Design) -> BoolArray:
    """(6 S,) mask of the stress components that have both a label and a row."""
    present: BoolArray = np.isfinite(design.y_stress) & np.isfinite(design.stress).all(axis=1)
    return present


def cholesky_factor(matrix: FloatArray, alpha: float) -> FloatArray:
    """Lower Cholesky factor of a symmetric matrix.

    Raises:
        DataError: the matrix is not positive definite at this α.
    """
    try:
        lower: FloatArray = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"the normal matrix of the linear fit is not positive definite at alpha = {alpha:g}. "
            "Raise the smallest value of alpha (`crossvalidate.alphas` of a study)."
        ) from error
    return lower


def _solve(cholesky: FloatArray, right: FloatArray) -> FloatArray:
    solution: FloatArray = scipy.linalg.cho_solve((cholesky, True), right, check_finite=False)
    return solution


@dataclass(frozen=True)
class Factor:
    """The factorised normal equations of one choice of weights, α and columns (P scaled unknowns).

    Args:
        weights: weights of the rows.
        alpha: prior precision.
        columns: (K,) mask of the functions used.
        scale: (P,) prior scales of the unknowns, energy zeros last.
        centring: what was taken off energies and their rows.
        normal: (P, P) H, α included.
        right: (P,) weighted, scaled Xᵀ y.
        cholesky: (P, P) lower triangle of H.
        vector: (P,) solution v.
        n_rows: number of rows with a weight above zero.
        weighted_squares: yᵀ y of the weighted rows.
    """

    weights: Weights
    alpha: float
    columns: BoolArray
    scale: FloatArray
    centring: Centring
    normal: FloatArray
    right: FloatArray
    cholesky: FloatArray
    vector: FloatArray
    n_rows: int
    weighted_squares: float

    def rows(self, design: Design) -> tuple[FloatArray, FloatArray]:
        """Weighted, scaled rows (R, P) and targets (R,) of all labels of `design`: energies, forces, stresses."""
        parts, targets = [], []
        for kind, (functions, zeros, values) in emphasised_rows(design, self.centring).items():
            root = np.sqrt(self.weights.of_kind(kind))
            parts.append(np.concatenate([functions[:, self.columns], zeros], axis=1) * (root * self.scale))
            targets.append(root * values)
        return np.concatenate(parts), np.concatenate(targets)

    def half(self, rows: FloatArray) -> FloatArray:
        """L⁻¹ rowsᵀ, (P, R): its columns' squared norms are leverages, their products the posterior covariances."""
        solved: FloatArray = scipy.linalg.solve_triangular(self.cholesky, rows.T, lower=True, check_finite=False)
        return solved

    def fit(self, vector: FloatArray | None = None) -> LinearFit:
        """The potential of the solution, or of another vector of scaled unknowns (P,)."""
        unknowns = self.scale * (self.vector if vector is None else vector)
        n_species = len(self.centring.energy)
        coefficients = np.zeros(len(self.columns))
        coefficients[self.columns] = unknowns[:-n_species]
        zeros = self.centring.zeros(unknowns[-n_species:], coefficients)
        return LinearFit(coefficients, zeros, self.columns, self.weights, self.alpha)

    def without(self, block: Design) -> FloatArray:
        """The solution (P,) of the same fit without the labels of `block`, which must be part of it.

        v⁽⁻ᵍ⁾ = v − H⁻¹ X_gᵀ (I − P_g)⁻¹ e_g with e_g = y_g − X_g v and P_g = X_g H⁻¹ X_gᵀ: the residuals of the block
        become (I − P_g)⁻¹ e_g. A block with more rows than unknowns is taken out of the Gram matrix instead.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        rows, targets = self.rows(block)
        if len(rows) > len(self.vector):
            return self.reduced(block).vector
        half = self.half(rows)
        gap = cholesky_factor(np.eye(len(rows)) - half.T @ half, self.alpha)
        correction = half @ _solve(gap, targets - rows @ self.vector)
        return self.vector - scipy.linalg.solve_triangular(self.cholesky, correction, lower=True, trans="T")

    def reduced(self, block: Design) -> "Factor":
        """The same fit without the labels of `block`, which must be part of it, factorised again.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        rows, targets = self.rows(block)
        return self._solved(
            self.normal - rows.T @ rows,
            self.right - rows.T @ targets,
            self.n_rows - self.counted(block),
            self.weighted_squares - float(targets @ targets),
        )

    def of(self, design: Design) -> FloatArray:
        """The solution (P,) of the same fit to other labels: the rows of `design` alone.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        return self.anew(design).vector

    def anew(self, design: Design) -> "Factor":
        """The same fit to other labels, factorised: the rows of `design` alone.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        rows, targets = self.rows(design)
        normal = rows.T @ rows
        normal[np.diag_indices_from(normal)] += self.alpha
        return self._solved(normal, rows.T @ targets, self.counted(design), float(targets @ targets))

    def _solved(self, normal: FloatArray, right: FloatArray, n_rows: int, weighted_squares: float) -> "Factor":
        """The same fit with other normal equations, factorised."""
        cholesky = cholesky_factor(normal, self.alpha)
        return replace(
            self,
            normal=normal,
            right=right,
            cholesky=cholesky,
            vector=_solve(cholesky, right),
            n_rows=n_rows,
            weighted_squares=weighted_squares,
        )

    def counted(self, design: Design) -> int:
        """Number of the labels of `design` that have a weight above zero."""
        counts = (len(design.n_atoms), len(design.y_forces), int(stress_present(design).sum()))
        return sum(n for kind, n in zip(KINDS, counts, strict=True) if self.weights.of_kind(kind) > 0)

    def leverages(self, design: Design) -> dict[str, FloatArray]:
        """Per kind the leverages x H⁻¹ xᵀ of unweighted rows of structures that the fit has not seen.

        Components of stress without a label have none. For structures that it has seen: `outside`.
        """
        rows, counts = self._unweighted(design)
        half = self.half(rows)
        found = np.einsum("pr,pr->r", half, half)
        return dict(zip(KINDS, np.split(found, np.cumsum(counts)[:-1]), strict=True))

    def _unweighted(self, design: Design) -> tuple[FloatArray, list[int]]:
        """Scaled rows (R, P) of all labels of `design` without their weights, and how many there are of each kind."""
        parts = label_rows(design, self.centring).values()
        rows = np.concatenate([np.concatenate([f[:, self.columns], zeros], axis=1) for f, zeros, _ in parts])
        return rows * self.scale, [len(targets) for _, _, targets in parts]

    def outside(self, block: Design) -> dict[str, FloatArray]:
        """Per kind the leverages x H⁻¹ xᵀ of the labels of `block` by the same fit without all of them.

        Rows x are unweighted: times the square of a scale these are variances of energies per atom, of forces and of
        stresses. With A = X_g H⁻¹ X_gᵀ of the unweighted rows of the block and their weights w, the leverages are the
        diagonal of A + A √w (I − √w A √w)⁻¹ √w A.

        Args:
            block: structures that the fit has seen; components of stress without a label have no leverage.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        rows, counts = self._unweighted(block)
        emphasis = row_emphasis(block)
        root = np.sqrt(np.concatenate([self.weights.of_kind(kind) * emphasis[kind] for kind in KINDS]))
        if len(rows) > len(self.vector):
            weighted = rows * root[:, None]
            cholesky = cholesky_factor(self.normal - weighted.T @ weighted, self.alpha)
            half = scipy.linalg.solve_triangular(cholesky, rows.T, lower=True, check_finite=False)
            found = np.einsum("pr,pr->r", half, half)
        else:
            half = self.half(rows)
            own = half.T @ half
            gap = cholesky_factor(np.eye(len(rows)) - root[:, None] * own * root, self.alpha)
            added = scipy.linalg.solve_triangular(gap, root[:, None] * own, lower=True, check_finite=False)
            found = np.diag(own) + np.einsum("qr,qr->r", added, added)
        return dict(zip(KINDS, np.split(found, np.cumsum(counts)[:-1]), strict=True))
