"""Error against cost of reference calculations: one level beside two, on groups that no fit has seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.fidelity.analysis import blend_map
from pesforge.fidelity.blend import BlendPoint, by_kind
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


def _points(settings: Fidelity, model: Crossvalidate, low_trusts: tuple[float, ...]) -> Iterator[BlendPoint]:
    return (BlendPoint(*values) for values in product(settings.lambdas, settings.trusts, low_trusts, model.alphas))


def _fits(
    problem: TwoLevels, settings: Fidelity, model: Crossvalidate, available: tuple[str, ...]
) -> Iterator[tuple[str, Fitted]]:
    """Every method that a purchase allows, by name."""
    if available == ("low",):
        yield "low_only", problem.one_level(LOW)
        return
    if available == ("high",):
        yield "high_only", problem.one_level(HIGH)
        return
    difference = problem.autoregressive(1.0)
    noise = problem.noise(difference)
    yield "blend", problem.blend(noise, _points(settings, model, (0.0,)))
    yield "blend_low_trust", problem.blend(noise, _points(settings, model, settings.low_trusts))
    yield "delta", difference.fitted
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
    plans: list[tuple[int | None, float | None, tuple[str, ...], Purchase]] = []
    for size in (*settings.budgets, None):
        seconds = float(high[:size].sum()) if size is not None else np.inf
        plans.append((size, None, ("high",), one_level(high, seconds, high=True)))
        plans.append((size, None, ("low",), one_level(low, seconds, high=False)))
        for part in settings.high_shares if size is not None else ():
            plans.append((size, part, ("low", "high"), two_levels(high, low, seconds, part)))
    for budget, share, available, bought in plans:
        row = {"seed": seed.number, "budget": budget, "high_share": share, **vars(bought)}
        try:
            problem = campaign.problem(seed, bought, scaling, model)
            for method, fitted in _fits(problem, settings, model, available):
                errors = held_out_errors(test_rows, test, fitted.vector)
                records.append({**row, "method": method, "errors": errors, "chosen": fitted.chosen})
        except TooFewGroupsError:
            continue
        if budget == middle and share == settings.high_shares[0]:
            found = blend_map(problem, settings, model, train_rows, lambda v: held_out_errors(test_rows, test, v))
    return records, found


def compare(
    high: Design, low: Design, seconds: Mapping[str, FloatArray], settings: Fidelity, model: Crossvalidate, *, seed: int
) -> dict[str, Any]:
    """Evidence of the stage `fidelity`.

    Args:
        high: curated structures with labels of the high level, functions of the fit only.
        low: the same structures with those of the low level.
        seconds: measured times (S,) of the labels of `high` and `low` in s.
        settings: budgets, seeds and grids.
        model: weights, priors and prior scales of the linear potential.
        seed: seed of the study.

    Raises:
        DataError: there are fewer groups than folds, or a budget is larger than the price of all labels.
    """
    classes = list(zip(high.families, high.n_atoms.tolist(), strict=True))
    prices = {level: class_medians(seconds[level], classes) for level in ("high", "low")}
    numbered = {group: number for number, group in enumerate(dict.fromkeys(high.groups))}
    campaign = Campaign(high, low, prices["high"], prices["low"], np.array([numbered[g] for g in high.groups]))
    seeds = [draw_seed(campaign, settings, seed, number) for number in range(settings.seeds)]
    results = [run_seed(campaign, settings, model, drawn) for drawn in seeds]
    return {
        "n_structures": len(high.ids),
        "n_groups": len(numbered),
        "n_functions": len(high.degree),
        "n_test": float(np.mean([len(drawn.test) for drawn in seeds])),
        "prices": _prices(classes, seconds, prices),
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


def _prices(
    classes: list[tuple[str, int]], seconds: Mapping[str, FloatArray], prices: Mapping[str, FloatArray]
) -> dict[str, Any]:
    """Median times per class, and sums as measured beside those of the medians."""
    rows = []
    for name in dict.fromkeys(classes):
        mine: BoolArray = np.array([other == name for other in classes])
        rows.append(
            {
                "family": name[0],
                "n_atoms": name[1],
                "labels": int(mine.sum()),
                **{f"{level}_s": float(prices[level][mine][0]) for level in ("high", "low")},
            }
        )
    return {
        "classes": rows,
        **{f"{level}_mean_s": float(prices[level].mean()) for level in ("high", "low")},
        **{f"{level}_measured_s": float(np.sum(seconds[level])) for level in ("high", "low")},
        **{f"{level}_medians_s": float(prices[level].sum()) for level in ("high", "low")},
    }
