"""Residuals of a potential and the errors made of them: the one place where an error is defined."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

KINDS = ("energy", "force", "stress")
UNITS = {"energy": "mev_per_atom", "force": "ev_per_ang", "stress": "gpa"}
TO_REPORTED = {"energy": 1e3, "force": 1.0, "stress": EV_PER_ANG3_IN_GPA}

ROUNDING = 1e-9
"""Errors below it, in meV/atom, eV/Å or GPa, are zero by symmetry and have no ratio."""
LABEL_NOISE = {"energy": 1e-2, "force": 1e-3, "stress": 1e-3}
"""Errors below it, in meV/atom, eV/Å and GPa, are the rounding of a reference code whose SCF cycle ends at a tolerance:
forces that vanish by symmetry, such as those of a crystal at another volume, have such errors in any potential."""


@dataclass(frozen=True)
class Residuals:
    """Prediction minus label of S structures.

    Args:
        energy: (S,) in eV/atom.
        forces: (sum 3 n_s,) in eV/Å, structure after structure, atom-major x, y, z.
        stress: (6 S,) in eV/Å³; NaN where a component has no label.
        n_atoms: (S,) atoms of each structure.

    Raises:
        DataError: the lengths do not belong together.
    """

    energy: FloatArray
    forces: FloatArray
    stress: FloatArray
    n_atoms: IntArray

    def __post_init__(self) -> None:
        count = len(self.n_atoms)
        found = (len(self.energy), len(self.forces), len(self.stress))
        expected = (count, 3 * int(np.sum(self.n_atoms)), 6 * count)
        if found != expected:
            raise DataError(
                f"residuals of {count} structures need {expected} energies, force and stress components; found {found}."
            )

    def force_slice(self, structure: int) -> slice:
        """Place of the force components of one structure."""
        start = 3 * int(np.sum(self.n_atoms[:structure]))
        return slice(start, start + 3 * int(self.n_atoms[structure]))

    def select(self, structures: npt.ArrayLike) -> "Residuals":
        """The residuals of some structures, in the given order (indices or a mask)."""
        chosen = np.arange(len(self.n_atoms))[np.asarray(structures)]
        components = np.split(self.forces, 3 * np.cumsum(self.n_atoms)[:-1])
        forces = np.concatenate([components[s] for s in chosen]) if len(chosen) else np.zeros(0)
        stress = self.stress.reshape(-1, 6)[chosen].ravel()
        return Residuals(self.energy[chosen], forces, stress, self.n_atoms[chosen])


def _key(kind: str, statistic: str) -> str:
    return f"{kind}_{statistic}_{UNITS[kind]}"


def _sums(residuals: Residuals) -> dict[str, FloatArray]:
    """Per kind an array (3, S): sum of squares, sum of absolute values and number of the components of a structure."""
    owner = {
        "energy": np.arange(len(residuals.n_atoms)),
        "force": np.repeat(np.arange(len(residuals.n_atoms)), 3 * residuals.n_atoms),
        "stress": np.repeat(np.arange(len(residuals.n_atoms)), 6),
    }
    values = {"energy": residuals.energy, "force": residuals.forces, "stress": residuals.stress}
    sums = {}
    for kind in KINDS:
        present = ~np.isnan(values[kind])
        scaled = values[kind][present] * TO_REPORTED[kind]
        parts = (scaled**2, np.abs(scaled), np.ones_like(scaled))
        sums[kind] = np.array(
            [np.bincount(owner[kind][present], weights=part, minlength=len(residuals.n_atoms)) for part in parts]
        )
    return sums


def errors(residuals: Residuals) -> dict[str, float | None]:
    """RMSE and MAE of energy (meV/atom), force (eV/Å) and stress (GPa); None where no component has a label.

    Keys: `energy_rmse_mev_per_atom`, `energy_mae_mev_per_atom`, `force_rmse_ev_per_ang`, `force_mae_ev_per_ang`,
    `stress_rmse_gpa`, `stress_mae_gpa`.
    """
    result: dict[str, float | None] = {}
    for kind, sums in _sums(residuals).items():
        squares, absolutes, count = sums.sum(axis=1)
        result[_key(kind, "rmse")] = float(np.sqrt(squares / count)) if count else None
        result[_key(kind, "mae")] = float(absolutes / count) if count else None
    return result


def standard_errors(residuals: Residuals, groups: Sequence[Hashable]) -> dict[str, float | None]:
    """Standard errors of `errors` over the groups, by the jackknife that leaves out one group at a time.

    Keys are those of `errors` with `_se` behind the statistic (`energy_rmse_se_mev_per_atom`). None where fewer than
    two groups carry labels. Structures of one group are correlated, so the group and not the structure is the unit.

    Args:
        residuals: S structures.
        groups: (S,) group of each structure.
    """
    result: dict[str, float | None] = {}
    for kind, left in _without_each_group(residuals, groups).items():
        for statistic, values in left.items():
            result[_key(kind, f"{statistic}_se")] = _jackknife(values)
    return result


def typical_errors(residuals: Residuals, families: Sequence[str]) -> dict[str, float | None]:
    """Geometric mean over the families of the RMSE of each; None where no family has one.

    Errors of families differ a hundredfold, and a pooled RMSE sees the worst alone. Keys are those of `errors` with
    `typical` in the place of the statistic, such as `energy_typical_mev_per_atom`. Errors below `LABEL_NOISE` count as
    that; a family whose errors are zero by symmetry does not count.

    Args:
        residuals: S structures.
        families: (S,) family of each structure.
    """
    return typical_of(by_family(residuals, families))


def typical_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The `typical_errors` of rows with the errors of a family each."""
    result: dict[str, float | None] = {}
    for kind in KINDS:
        values = [row[_key(kind, "rmse")] or 0.0 for row in rows]
        logs = [np.log(max(value, LABEL_NOISE[kind])) for value in values if value > ROUNDING]
        result[_key(kind, "typical")] = float(np.exp(np.mean(logs))) if logs else None
    return result


def typical_standard_errors(
    residuals: Residuals, families: Sequence[str], groups: Sequence[Hashable]
) -> dict[str, float | None]:
    """Standard errors of `typical_errors` to first order, the families taken as independent.

    Those of a family are of the jackknife over its groups; a family of one group, or with errors below `LABEL_NOISE`,
    has none and adds nothing. Keys are those of `typical_errors` with `_se` behind `typical`.

    Args:
        residuals: S structures.
        families: (S,) family of each structure.
        groups: (S,) group of each structure.
    """
    labels, typical = np.array(families), typical_errors(residuals, families)
    relative: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for family in dict.fromkeys(families):
        chosen = np.flatnonzero(labels == family)
        part = residuals.select(chosen)
        found, spread = errors(part), standard_errors(part, [groups[int(structure)] for structure in chosen])
        for kind in KINDS:
            value, error = found[_key(kind, "rmse")] or 0.0, spread.get(_key(kind, "rmse_se"))
            moves = value > LABEL_NOISE[kind] and error is not None
            relative[kind] += [error / value if moves and error else 0.0] if value > ROUNDING else []
    result: dict[str, float | None] = {}
    for kind, parts in relative.items():
        mean = typical[_key(kind, "typical")]
        known = mean is not None and any(parts)
        result[_key(kind, "typical_se")] = mean * float(np.linalg.norm(parts)) / len(parts) if mean and known else None
    return result


def paired_changes(before: Residuals, after: Residuals, groups: Sequence[Hashable]) -> dict[str, float | None]:
    """By how much and by which factor each RMSE rises from `before` to `after`, with standard errors.

    Keys are those of `errors` with `_change` and `_change_se` behind the statistic, such as
    `energy_rmse_change_mev_per_atom`, and without a unit `_factor` and `_factor_se`, such as `energy_rmse_factor`. The
    jackknife leaves out the same group on both sides at a time, so that what both have in common cancels; for the
    factor it is one of the logarithm. None where nothing has a label, for a standard error where fewer than two groups
    carry labels, and for the factor where an error is rounding.

    Args:
        before: S structures.
        after: the same structures.
        groups: (S,) group of each structure.
    """
    first, second = errors(before), errors(after)
    one, other = _without_each_group(before, groups), _without_each_group(after, groups)
    result: dict[str, float | None] = {}
    for kind in KINDS:
        key = _key(kind, "rmse")
        start, end, starts, ends = first[key], second[key], one[kind]["rmse"], other[kind]["rmse"]
        result[_key(kind, "rmse_change")] = None if start is None or end is None else end - start
        result[_key(kind, "rmse_change_se")] = _jackknife(ends - starts)
        factor = None if start is None or end is None or min(start, end) < ROUNDING else end / start
        sure = factor is not None and min([np.inf, *starts, *ends]) >= ROUNDING
        spread = _jackknife(np.log(ends / starts)) if sure else None
        result[f"{kind}_rmse_factor"] = factor
        result[f"{kind}_rmse_factor_se"] = None if factor is None or spread is None else factor * spread
    return result


def _without_each_group(residuals: Residuals, groups: Sequence[Hashable]) -> dict[str, dict[str, FloatArray]]:
    """RMSE and MAE per kind without each group in turn, (G,) of the groups with labels; empty for fewer than two."""
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    owner = np.array([names[group] for group in groups], dtype=np.int64)
    result: dict[str, dict[str, FloatArray]] = {}
    for kind, sums in _sums(residuals).items():
        grouped = np.array([np.bincount(owner, weights=part, minlength=len(names)) for part in sums])
        grouped = grouped[:, grouped[2] > 0]
        if grouped.shape[1] < 2:
            grouped = grouped[:, :0]
        rest = grouped.sum(axis=1, keepdims=True) - grouped
        result[kind] = {"rmse": np.sqrt(np.maximum(rest[0], 0.0) / rest[2]), "mae": rest[1] / rest[2]}
    return result


def _jackknife(values: FloatArray) -> float | None:
    """Standard error of a statistic from its values without each of G groups (G,); None if there are none."""
    if not len(values):
        return None
    return float(np.sqrt((len(values) - 1) / len(values) * np.sum((values - values.mean()) ** 2)))


def bootstrap_intervals(
    residuals: Residuals, *, share: float, seed: int, draws: int = 2000
) -> dict[str, list[float] | None]:
    """Intervals of the `errors` of structures drawn again with repetition; None where no component has a label.

    Args:
        residuals: S structures.
        share: probability that an interval holds, such as 0.9; as much is cut off above as below.
        seed: of the draws.
        draws: number of draws.

    Source: B. Efron, Ann. Statist. 7, 1 (1979), percentile interval.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(residuals.n_atoms), (draws, len(residuals.n_atoms)))
    result: dict[str, list[float] | None] = {}
    for kind, sums in _sums(residuals).items():
        squares, absolutes, count = (part[drawn].sum(axis=1) for part in sums)
        present = count > 0
        for statistic, values in (("rmse", squares), ("mae", absolutes)):
            key = _key(kind, statistic)
            if not present.any():
                result[key] = None
                continue
            means = values[present] / count[present]
            means = np.sqrt(means) if statistic == "rmse" else means
            result[key] = np.quantile(means, [(1 - share) / 2, (1 + share) / 2]).tolist()
    return result


def by_family(residuals: Residuals, families: Sequence[str]) -> list[dict[str, str | int | float | None]]:
    """One row of `errors` per family, in order of first appearance, with `family` and `n_structures`."""
    labels = np.array(families)
    rows: list[dict[str, str | int | float | None]] = []
    for family in dict.fromkeys(families):
        mask = labels == family
        rows.append({"family": family, "n_structures": int(mask.sum()), **errors(residuals.select(mask))})
    return rows
