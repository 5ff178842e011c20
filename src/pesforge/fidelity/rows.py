"""Rows of the linear potential with labels of two levels of the reference method."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.potentials.linear import prior_scale
from pesforge.potentials.normal import KINDS, SAME_COMPOSITION, Centring, label_rows, stress_present
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Design

LOW, HIGH = 0, 1
"""Columns of the targets of both levels."""


@dataclass(frozen=True)
class Scaling:
    """What turns a design into rows of a fit: centred energy rows and prior scales, from descriptors alone.

    Args:
        centring: invariants per atom that composition alone explains; its energies are 0.
        scale: (P,) prior scales of the unknowns, energy zeros last.
    """

    centring: Centring
    scale: FloatArray

    @classmethod
    def of(cls, design: Design, prior_power: float) -> "Scaling":
        """The scaling of the structures that a fit may see; their labels are not read."""
        centring = Centring.of(design.counts, design.energy, np.zeros(len(design.ids)))
        force_rms = np.sqrt(np.mean(design.forces**2, axis=0))
        return cls(centring, prior_scale(force_rms, design.degree, prior_power, design.counts.shape[1]))

    def rows(self, design: Design) -> "Rows":
        """Scaled, unweighted rows of all labels of a design."""
        parts = label_rows(design, self.centring)
        present = stress_present(design)
        structures = np.arange(len(design.ids))
        owners = {
            "energy": structures,
            "force": np.repeat(structures, 3 * design.n_atoms),
            "stress": np.repeat(structures, 6)[present],
        }
        matrix = [np.concatenate([functions, zeros], axis=1) for functions, zeros, _ in parts.values()]
        counts = [len(part) for part in matrix]
        return Rows(
            matrix=np.concatenate(matrix) * self.scale,
            kind=np.repeat(np.arange(len(KINDS)), counts),
            owner=np.concatenate([owners[kind] for kind in KINDS]).astype(np.int64),
            targets=np.concatenate([targets for _, _, targets in parts.values()]),
        )


@dataclass(frozen=True)
class Rows:
    """Rows of the labels of some structures.

    Args:
        matrix: (R, P) scaled, unweighted rows.
        kind: (R,) index of the kind of label in `KINDS`.
        owner: (R,) structure of each row.
        targets: (R,) labels: energies per atom in eV, forces in eV/Å, stresses in eV/Å³.
    """

    matrix: FloatArray
    kind: IntArray
    owner: IntArray
    targets: FloatArray


@dataclass(frozen=True)
class LevelRows:
    """Rows of structures that all have one level, and some of them both.

    Args:
        matrix: (R, P) scaled, unweighted rows.
        kind: (R,) index of the kind of label in `KINDS`.
        owner: (R,) structure of each row.
        targets: (R, 2) labels of the low and of the high level; 0 where a level was not computed.
        paired: (R,) rows whose structure has both levels.
    """

    matrix: FloatArray
    kind: IntArray
    owner: IntArray
    targets: FloatArray
    paired: BoolArray

    @property
    def label_class(self) -> IntArray:
        """(R,) class of each row: its kind, and three more where both levels are there."""
        return self.kind + len(KINDS) * self.paired


def composition_means(counts: FloatArray, values: FloatArray) -> FloatArray:
    """(S,) what composition alone explains of values per atom (S,), by least squares.

    Args:
        counts: (S, Z) atoms of each species.
        values: (S,) values per atom.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    fitted: FloatArray = share @ scipy.linalg.lstsq(share, values, cond=SAME_COMPOSITION)[0]
    return fitted


def level_rows(
    high: Design, low: Design, scaling: Scaling, *, has_high: BoolArray, has_low: BoolArray
) -> tuple[LevelRows, FloatArray]:
    """Rows of both levels with energies on one zero, and what was taken off the energies per atom (S,) in eV.

    A constant offset per element between the levels is no error: low energies are moved onto the high ones by least
    squares on the composition of the structures that have both. Then what composition explains is taken off both.

    Args:
        high: structures with labels of the high level.
        low: the same structures, in the same order, with labels of the low level.
        scaling: of the fit.
        has_high: (S,) structures whose high label may be used.
        has_low: (S,) structures whose low label may be used; each structure has one of the two.
    """
    both = has_high & has_low
    rows, other = scaling.rows(high), scaling.rows(low)
    energy_high, energy_low = rows.targets[: len(has_high)], other.targets[: len(has_high)].copy()
    if both.any():
        share = high.counts / high.n_atoms[:, None]
        gap = (energy_high - energy_low)[both]
        energy_low += share @ scipy.linalg.lstsq(share[both], gap, cond=SAME_COMPOSITION)[0]
    zero = composition_means(high.counts, np.where(has_low, energy_low, energy_high))
    targets = np.stack([other.targets, rows.targets], axis=1)
    targets[: len(has_high), LOW] = energy_low - zero
    targets[: len(has_high), HIGH] = energy_high - zero
    targets[~has_low[rows.owner], LOW] = 0.0
    targets[~has_high[rows.owner], HIGH] = 0.0
    return LevelRows(rows.matrix, rows.kind, rows.owner, targets, both[rows.owner]), zero
