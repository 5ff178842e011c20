"""Error against cost of reference calculations: one level beside two, on groups that no fit has seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.fidelity.analysis import Blends, blend_map
from pesforge.fidelity.blend import by_kind
from pesforge.fidelity.budget import Purchase, class_medians, group_order, one_level, two_levels
from pesforge.fidelity.methods import Fitted, TooFewGroupsError, TwoLevels
from pesforge.fidelity.rows import HIGH, LOW, Rows, Scaling, composition_means, level_rows
from pesforge.fidelity.summary import summarise
from pesforge.fidelity_settings import Fidelity
from pesforge.folds import check_split, group_folds
from pesforge.metrics import TO_REPORTED
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

Seconds = Mapping[str, FloatArray]
"""Times (S,) in s of the labels of the levels `high` and `low`."""


@dataclass(frozen=True)
class Seed:
    """One random choice of held-out groups and of the order in which labels are bought.

    Args:
        number: of the seed.
        order: training structures in the order of buying.
        test: held-out structures.
    """

    number: int
    order: IntArray
    test: IntArray


@dataclass(frozen=True)
class Campaign:
    """Structures with labels of both levels and their prices.

    Args:
        high: design with the labels of the high level, functions of the fit only.
        low: the same structures with the labels of the low level.
        high_seconds: (S,) price of a high label.
        low_seconds: (S,) price of a low label.
        groups: (S,) numbered groups.
    """

    high: Design
    low: Design
    high_seconds: FloatArray
    low_seconds: FloatArray
    groups: IntArray

    def problem(self, seed: Seed, bought: Purchase, scaling: Scaling, model: Crossvalidate) -> TwoLevels:
        """What a purchase lets a fit see."""
        count = max(bought.n_high, bought.n_low)
        chosen, place = seed.order[:count], np.arange(count)
        rows, _ = level_rows(
            self.high.select(chosen),
            self.low.select(chosen),
            scaling,
            has_high=place < bought.n_high,
            has_low=place < bought.n_low,
        )
        return TwoLevels(rows, self.groups[chosen], Weights.of(model), model.alphas)


def draw_seed(campaign: Campaign, settings: Fidelity, study_seed: int, number: int) -> Seed:
    """Held-out groups, families in equal shares, and the order of the others.

    Args:
        campaign: structures.
        settings: folds.
        study_seed: seed of the study.
        number: of this choice.
    """
    design = campaign.high
    folds = group_folds(
        design.groups, settings.folds, derive_seed(study_seed, "fidelity", "split", number), families=design.families
    )
    test, train = folds[0], np.concatenate(folds[1:])
    check_split(design.groups, train, test)
    order = group_order(design.groups, np.sort(train), derive_seed(study_seed, "fidelity", "order", number))
    return Seed(number, order, test)


def held_out_errors(rows: Rows, design: Design, vector: FloatArray) -> FloatArray:
    """(3,) RMSE of energy (eV/atom), force (eV/Å) and stress (eV/Å³); NaN where a kind has no label.

    Energies are compared up to one constant per element, their mean error by composition: it is no error of a
    potential, and the low level alone cannot know it.

    Args:
        rows: rows and labels of the held-out structures.
        design: these structures.
        vector: (P,) scaled unknowns of the potential.
    """
    error = rows.matrix @ vector - rows.targets
    energies = slice(0, len(design.ids))
    error[energies] -= composition_means(design.counts, error[energies])
    found: FloatArray = np.sqrt(by_kind(error**2, rows.kind))
    return found


def _fits(problem: TwoLevels, bought: Purchase, blends: Blends | None) -> Iterator[tuple[str, Fitted]]:
    """Every method that a purchase allows, by name."""
    if blends is None:
        alone = HIGH if bought.n_high else LOW
        yield ("low_only", "high_only")[alone], problem.one_level(alone)
        return
    yield "blend", problem.blend(blends.noise, blends.published)
    yield "blend_low_trust", problem.blend(blends.noise, blends.tried)
    yield "delta", blends.difference.fitted
    yield "autoregressive", problem.autoregressive(None).fitted


def run_seed(
    campaign: Campaign, settings: Fidelity, model: Crossvalidate, seed: Seed
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Records of all methods, budgets and shares of one seed, and the map of its blend at the middle budget.

    Args:
        campaign: structures, labels and prices.
        settings: budgets, shares and grids; a budget is what the first so many high labels of this seed cost.
        model: weights, priors and prior scales.
        seed: what is held out, and the order of buying.

    Raises:
        DataError: a budget is larger than the price of all labels.
    """
    if settings.budgets[-1] > len(seed.order):
        raise DataError(
            f"`fidelity.budgets` asks for {settings.budgets[-1]} labels, yet {len(seed.order)} structures are left "
            "beside the held-out groups. Lower the budgets, or sample more structures."
        )
    high, low = campaign.high_seconds[seed.order], campaign.low_seconds[seed.order]
    scaling = Scaling.of(campaign.high.select(seed.order), model.prior_power)
    test = campaign.high.select(seed.test)
    test_rows, train_rows = scaling.rows(test), scaling.rows(campaign.high.select(seed.order))
    middle = settings.budgets[len(settings.budgets) // 2]
    records, found = [], None
    plans: list[tuple[int | None, float | None, Purchase]] = []
    for size in (*settings.budgets, None):
        seconds = float(high[:size].sum()) if size is not None else np.inf
        plans.append((size, None, one_level(high, seconds, high=True)))
        plans.append((size, None, one_level(low, seconds, high=False)))
        for part in settings.high_shares if size is not None else ():
            plans.append((size, part, two_levels(high, low, seconds, part)))
    for budget, share, bought in plans:
        row = {"seed": seed.number, "budget": budget, "high_share": share, **vars(bought)}
        try:
            problem = campaign.problem(seed, bought, scaling, model)
            blends = Blends.of(problem, settings, model) if share is not None else None
            for method, fitted in _fits(problem, bought, blends):
                errors = held_out_errors(test_rows, test, fitted.vector)
                records.append({**row, "method": method, "errors": errors, "chosen": fitted.chosen})
        except TooFewGroupsError:
            continue
        if blends is not None and budget == middle and share == settings.high_shares[0]:
            found = blend_map(problem, blends, settings, train_rows, lambda v: held_out_errors(test_rows, test, v))
    return records, found


def compare(
    high: Design,
    low: Design,
    *,
    measured: Seconds,
    estimated: Seconds,
    settings: Fidelity,
    model: Crossvalidate,
    seed: int,
) -> dict[str, Any]:
    """Evidence of the stage `fidelity`.

    Args:
        high: curated structures with labels of the high level, functions of the fit only.
        low: the same structures with those of the low level.
        measured: times (S,) of the labels of `high` and `low` in s.
        estimated: the engine's estimates of them.
        settings: budgets, seeds and grids.
        model: weights, priors and prior scales of the linear potential.
        seed: seed of the study.

    Raises:
        DataError: there are fewer groups than folds, or a budget is larger than the price of all labels.
    """
    classes = list(zip(high.families, high.n_atoms.tolist(), strict=True))
    medians = {level: class_medians(measured[level], classes) for level in ("high", "low")}
    prices = medians if settings.prices == "measured" else estimated
    numbered = {group: number for number, group in enumerate(dict.fromkeys(high.groups))}
    campaign = Campaign(high, low, prices["high"], prices["low"], np.array([numbered[g] for g in high.groups]))
    seeds = [draw_seed(campaign, settings, seed, number) for number in range(settings.seeds)]
    results = [run_seed(campaign, settings, model, drawn) for drawn in seeds]
    return {
        "n_structures": len(high.ids),
        "n_groups": len(numbered),
        "n_functions": len(high.degree),
        "n_test": float(np.mean([len(drawn.test) for drawn in seeds])),
        "prices": _prices(classes, measured, estimated) | {"used": settings.prices},
        "difference": differences(high, low),
        **summarise(
            [record for records, _ in results for record in records],
            [found for _, found in results if found is not None],
            settings,
        ),
    }


def differences(high: Design, low: Design) -> dict[str, float | None]:
    """RMS difference of the labels of both levels, energies up to one constant per element; None without labels."""
    gap = (low.y_energy - high.y_energy) / high.n_atoms
    gap -= composition_means(high.counts, gap)
    parts = {"energy": gap, "force": low.y_forces - high.y_forces, "stress": low.y_stress - high.y_stress}
    names = {"energy": "energy_mev_per_atom", "force": "force_ev_per_ang", "stress": "stress_gpa"}
    found: dict[str, float | None] = {}
    for kind, values in parts.items():
        present = values[np.isfinite(values)]
        found[names[kind]] = float(np.sqrt(np.mean(present**2)) * TO_REPORTED[kind]) if len(present) else None
    return found


def _prices(classes: list[tuple[str, int]], measured: Seconds, estimated: Seconds) -> dict[str, Any]:
    """Median measured times and mean estimates per class, and the price of a low label over that of a high one."""
    rows = []
    for name in dict.fromkeys(classes):
        mine: BoolArray = np.array([other == name for other in classes])
        row: dict[str, Any] = {"family": name[0], "n_atoms": name[1], "labels": int(mine.sum())}
        for level in ("high", "low"):
            row[f"{level}_s"] = float(np.median(measured[level][mine]))
            row[f"{level}_estimated_s"] = float(np.mean(estimated[level][mine]))
        rows.append(row)
    totals = {
        "": {level: sum(row[f"{level}_s"] * row["labels"] for row in rows) for level in ("high", "low")},
        "_estimated": {level: float(np.sum(estimated[level])) for level in ("high", "low")},
    }
    return {
        "classes": rows,
        **{f"{level}_measured_s": float(np.sum(measured[level])) for level in ("high", "low")},
        **{f"{level}_medians_s": float(totals[""][level]) for level in ("high", "low")},
        **{f"low_over_high{name}": float(total["low"] / total["high"]) for name, total in totals.items()},
    }
