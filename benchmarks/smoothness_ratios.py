"""What runs say of the claim of Reg-M: ratios with standard errors, and a verdict by rule on each part."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

Row = dict[str, Any]
Variant = tuple[float, str, float]
CONFIDENCE = 0.95
FORCE, ENERGY = "force_rmse_ev_per_ang", "energy_rmse_mev_per_atom"
ROUGH, OFF = "roughness_ev_per_ang", "roughness_error_ev_per_ang"
RULE = (
    f"Ratios are to the run without Reg-M of the same training set, head and noise: geometric means over seeds, ± "
    f"standard errors. A ratio is clear where Student's {100 * CONFIDENCE:.0f} % interval over the seeds excludes 1. A "
    "part of the claim holds for a kind of Reg-M whose ratio is clearly below 1 at all training sizes, while "
    "none of what could be its price is clearly above 1 at any. The price of smoothness could be errors, and roughness "
    "farther from the reference's; that of passing less noise the error under noisy labels; that of less dependence on "
    "λ_F errors."
)


class Ratio(NamedTuple):
    """Geometric mean over seeds, its standard error, and whether it is clearly below (-1) or above (1) one."""

    value: float
    error: float | None
    clear: int

    @classmethod
    def of(cls, logs: Sequence[float]) -> "Ratio":
        mean, number = float(np.exp(np.mean(logs))), len(logs)
        if number < 2:
            return cls(mean, None, 0)
        error = float(np.std(logs, ddof=1) / np.sqrt(number))
        reach = error * float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, number - 1))
        return cls(mean, mean * error, int(np.sign(np.mean(logs))) * (abs(float(np.mean(logs))) > reach))


def variant_of(row: Row) -> Variant:
    """What tells one kind of Reg-M from another; (0, …) is none."""
    return (row["lambda_m"], row["kernel"], row["width_ang"])


def named(variant: Variant) -> str:
    """A variant in words."""
    if not variant[0]:
        return "without"
    return f"λ_M {variant[0]:g}, {'bump ε' if variant[1] == 'bump' else 'σ'} {variant[2]:g} Å"


def _mean(key: str) -> Callable[[Sequence[Row], Sequence[Row]], float]:
    """Geometric mean over the force weights, labels as they are."""
    return lambda rows, base: float(np.exp(np.mean([np.log(row[key]) for row in rows if not row["draw"]])))


def _range(key: str) -> Callable[[Sequence[Row], Sequence[Row]], float]:
    """Largest over smallest among the force weights."""

    def measure(rows: Sequence[Row], base: Sequence[Row]) -> float:
        found = [row[key] for row in rows if not row["draw"]]
        return max(found) / min(found)

    return measure


def passed_noise(rows: Sequence[Row], base: Sequence[Row]) -> float:
    """Standard deviation in eV/Å of the forces on test structures over draws of label noise."""
    forces = np.array([row["forces"] for row in rows if row["draw"]])
    return float(np.sqrt(forces.var(axis=0, ddof=1).mean()))


def noisy_error(rows: Sequence[Row], base: Sequence[Row]) -> float:
    """Force error in eV/Å, against labels without noise, of potentials trained on labels with noise."""
    return float(np.sqrt(np.mean([row[FORCE] ** 2 for row in rows if row["draw"]])))


def over_shrunk(rows: Sequence[Row], base: Sequence[Row]) -> float:
    """Force error over that of the head without Reg-M, its forces times the factor that gives them the same slope."""
    logs = []
    for row in (row for row in rows if not row["draw"]):
        other = next(one for one in base if not one["draw"] and one["w_force"] == row["w_force"])
        factor = row["head_wanted"] / other["head_wanted"] if other["head_wanted"] else 0.0
        square = factor**2 * other["head_square"] - 2 * factor * other["head_wanted"]
        logs.append(np.log(row[FORCE]) - np.log(square + other["linear_force_rmse_ev_per_ang"] ** 2) / 2)
    return float(np.exp(np.mean(logs)))


MEASURES = {
    "force": ("force error", _mean(FORCE)),
    "energy": ("energy error", _mean(ENERGY)),
    "shrunk": ("force error over that of the head shrunk alike", over_shrunk),
    "rough": ("roughness", _mean(ROUGH)),
    "off": ("distance from the reference's roughness", _mean(OFF)),
    "noise": ("label noise passed", passed_noise),
    "noisy": ("force error, noisy labels", noisy_error),
    "force_range": ("range of force error over λ_F", _range(FORCE)),
    "energy_range": ("range of energy error over λ_F", _range(ENERGY)),
}
LABELS = {key: label for key, (label, _) in MEASURES.items()}
PARTS = (
    ("A smoother surface", ("rough",), ("force", "energy", "off")),
    ("Less force noise", ("noise",), ("noisy",)),
    ("Less dependence on λ_F", ("force_range", "energy_range"), ("force", "energy")),
)
"""Part of the claim, what must clearly fall, what must not clearly rise."""
Ratios = dict[tuple[int, Variant], dict[str, Ratio]]


def ratios_of(rows: Sequence[Row]) -> Ratios:
    """All measures over those without Reg-M, by size and variant; seeds with all runs of both take part."""
    grouped: dict[tuple[int, Variant], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        grouped[row["size"], variant_of(row)][row["seed"]].append(row)
    found: Ratios = {}
    for (size, variant), seeds in sorted(grouped.items()):
        bases = next(own for (other, kind), own in grouped.items() if other == size and not kind[0])
        whole = [seed for seed in seeds if len(seeds[seed]) == len(bases[seed])]
        if variant[0] and whole:
            found[size, variant] = {
                key: Ratio.of(
                    [
                        float(np.log(measure(seeds[seed], bases[seed]) / measure(bases[seed], bases[seed])))
                        for seed in whole
                    ]
                )
                for key, (_, measure) in MEASURES.items()
            }
    return found


def sentence(ratios: Ratios) -> str:
    """What holds of the three parts of the claim, by `RULE`."""
    sizes, told = {size for size, _ in ratios}, []
    variants = sorted({kind for _, kind in ratios if all((size, kind) in ratios for size in sizes)})
    for name, gains, prices in PARTS:
        found: dict[str, list[str]] = {"holds for": [], "only at a price for": []}
        for variant in variants:
            own = [ratios[size, variant] for size in sizes]
            if all(ratio[key].clear < 0 for ratio in own for key in gains):
                dear = any(ratio[key].clear > 0 for ratio in own for key in prices)
                found["only at a price for" if dear else "holds for"].append(named(variant))
        parts = [f"{word} {'; '.join(names)}" for word, names in found.items() if names]
        told.append(f"{name}: {', '.join(parts) or 'not found'}")
    return ". ".join(told) + "."
