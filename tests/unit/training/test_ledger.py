"""What families buy: against refits by hand, and with planted families that buy nothing and much."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pesforge.io import canonical_json
from pesforge.metrics import Residuals, errors, standard_errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.training.ledger import BOUGHT, HARMED, NOTHING, SINGLE_FAMILY, UNKNOWN, keep_ledger, weigh_families

WEIGHTS = Weights(400.0, 1.0, 2500.0)
ALPHA = 1e-3


def weighed(design, alpha=ALPHA):
    return weigh_families(LinearProblem(design, prior_power=0.0), WEIGHTS, alpha)


def spent(design, seconds=200.0):
    rows = [
        {"family": name, "dft_seconds": seconds + 70.0, "anyway_seconds": 70.0}
        for name in dict.fromkeys(design.families)
    ]
    return {"families": rows, "shared": [], "dft_seconds": seconds * len(rows)}


def row_of(rows, without, on):
    return next(row for row in rows if (row["without"], row["on"]) == (without, on))


def verdicts(design, alpha=ALPHA):
    return {row["family"]: row for row in keep_ledger(spent(design), weighed(design, alpha))["bought"]}


def refitted(problem, unseen, predicted):
    """Residuals of some structures by a fit to the others, from the normal equations of the others alone."""
    design = problem.design
    rest = design.select(np.setdiff1d(np.arange(len(design.ids)), unseen))
    whole = problem.factorise(WEIGHTS, ALPHA)
    rows, targets = whole.rows(rest)
    vector = np.linalg.solve(rows.T @ rows + ALPHA * np.eye(rows.shape[1]), rows.T @ targets)
    return residuals(design.select(np.asarray(predicted)), whole.fit(vector))


def joined(parts):
    arrays = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("energy", "forces", "stress", "n_atoms")
    )
    return Residuals(*arrays)


@pytest.fixture
def sharing(make_design):
    """Three families of which two share groups, as relaxed structures do with those that they came from."""
    design = make_design(structures=18, functions=6)
    families = ["thermal"] * 6 + ["vacancy"] * 6 + ["relaxed"] * 6
    groups = [f"t{s}" for s in range(6)] + [f"v{s // 2}" for s in range(6)] * 2
    return replace(design, families=tuple(families), groups=tuple(groups))


@pytest.mark.parametrize("without", ["thermal", "vacancy", "relaxed"])
@pytest.mark.parametrize("on", [None, "thermal", "vacancy", "relaxed"])
def test_errors_with_and_without_a_family_equal_refits_that_never_saw_a_group(sharing, without, on):
    problem, row = LinearProblem(sharing, prior_power=0.0), row_of(weighed(sharing), without, on)
    families, groups = np.array(sharing.families), np.array(sharing.groups)
    wanted = families != without if on is None else families == on
    parts = {"with": [], "without": []}
    for group in dict.fromkeys(groups[wanted]):
        predicted = np.flatnonzero(wanted & (groups == group))
        parts["with"].append(refitted(problem, np.flatnonzero(groups == group), predicted))
        unseen = np.flatnonzero((groups == group) | (families == without))
        parts["without"].append(refitted(problem, unseen, predicted))
    first, second = errors(joined(parts["with"])), errors(joined(parts["without"]))
    assert (row["n_structures"], row["n_groups"]) == (wanted.sum(), len(set(groups[wanted])))
    for kind, unit in (("energy", "mev_per_atom"), ("force", "ev_per_ang"), ("stress", "gpa")):
        key = f"{kind}_rmse_{unit}"
        assert row[key] == pytest.approx(first[key], rel=1e-6)
        assert row[f"{kind}_rmse_change_{unit}"] == pytest.approx(second[key] - first[key], rel=1e-5, abs=1e-9)


def test_without_shared_groups_the_error_on_itself_is_that_of_leaving_the_family_out(make_design):
    design = make_design(structures=24, per_group=1)
    problem = LinearProblem(design, prior_power=0.0)
    left_out = problem.leave_out(WEIGHTS, ALPHA, design.families)
    for name in ("strain", "thermal"):
        row = row_of(weighed(design), name, name)
        expected = errors(left_out.select(np.array(design.families) == name))["force_rmse_ev_per_ang"]
        found = next(row for row in keep_ledger(spent(design), weighed(design))["bought"] if row["family"] == name)
        assert found["itself_force_rmse_ev_per_ang"] == pytest.approx(expected)
        assert row["force_rmse_ev_per_ang"] + row["force_rmse_change_ev_per_ang"] == pytest.approx(expected)


@pytest.fixture
def planted(make_design):
    """Families a and b of one distribution that excites four functions, and others of more.

    Each structure of d excites a function of its own beside them. Only c excites all and tells what the others of d
    cannot.
    """
    law = np.arange(1, 11) / np.geomspace(10.0, 0.01, 10)
    design = make_design(structures=200, functions=10, n_atoms=(3,))
    families = np.repeat(["a", "b", "c", "d"], (80, 80, 34, 6))
    seen = np.ones((200, 10))
    seen[families != "c", 4:] = 0
    seen[np.arange(194, 200), np.arange(4, 10)] = 1
    energy = design.energy * seen
    forces, stress = design.forces * np.repeat(seen, 9, axis=0), design.stress * np.repeat(seen, 6, axis=0)
    rng = np.random.default_rng(1)
    return replace(
        design,
        families=tuple(families.tolist()),
        energy=energy,
        forces=forces,
        stress=stress,
        y_energy=energy @ law + design.counts @ [-3.0, -5.0] + 0.01 * rng.normal(size=200),
        y_forces=forces @ law + 0.02 * rng.normal(size=len(forces)),
        y_stress=stress @ law + 0.002 * rng.normal(size=len(stress)),
    )


def test_a_second_helping_buys_nothing_and_a_region_that_others_need_buys_much(planted):
    found = verdicts(planted)
    assert found["a"]["outcome"] == found["b"]["outcome"] == NOTHING
    assert found["b"]["verdict"].startswith("nothing measurable on the others: ")
    assert found["c"]["outcome"] == BOUGHT
    assert found["c"]["suffers_most"] == "d"
    assert re.fullmatch(r"bought \d+ meV/atom on d \(×\d+ ± \d+\)", found["c"]["verdict"])


def test_labels_that_contradict_the_others_are_said_to_cost_them(planted):
    wrong = np.array(planted.families) == "b"
    shifted = planted.y_forces + np.repeat(wrong, 9) * (planted.forces @ np.array([0.3, -0.3, 3.0, -3.0] + 6 * [0.0]))
    found = verdicts(replace(planted, y_forces=shifted))
    assert found["b"]["outcome"] == HARMED
    assert found["b"]["verdict"].startswith("cost ")


def test_the_change_per_hundred_seconds_is_the_change_over_the_cost(planted):
    trials = weighed(planted)
    factor = row_of(trials, "c", None)["force_rmse_factor"]
    found = next(row for row in keep_ledger(spent(planted, 400.0), trials)["bought"] if row["family"] == "c")
    assert found["force_rmse_percent_per_100_s"] == pytest.approx(100 * (factor - 1) / 4)
    unpaid = keep_ledger(spent(planted, 0.0), trials)["bought"]
    assert all(row["force_rmse_percent_per_100_s"] is None for row in unpaid)


def test_over_all_the_others_families_count_alike_whatever_the_size_of_their_errors(planted):
    rows = weighed(planted)
    overall, single = row_of(rows, "c", None), [row_of(rows, "c", on) for on in "abd"]
    factors = [row["energy_rmse_factor"] for row in single]
    assert overall["energy_rmse_factor"] == pytest.approx(np.prod(factors) ** (1 / 3))
    relative = np.array([row["energy_rmse_factor_se"] / row["energy_rmse_factor"] for row in single])
    assert overall["energy_rmse_factor_se"] == pytest.approx(
        overall["energy_rmse_factor"] * np.sqrt((relative**2).sum()) / 3
    )


def test_a_family_of_few_groups_has_its_standard_errors_over_structures(planted):
    groups = tuple(
        "one" if family == "d" else group for family, group in zip(planted.families, planted.groups, strict=True)
    )
    row = row_of(weighed(replace(planted, groups=groups)), "c", "d")
    assert (row["n_groups"], row["n_structures"]) == (1, 6)
    assert row["energy_rmse_factor_se"] > 0


def test_a_single_family_is_compared_with_nothing(make_design):
    design = replace(make_design(), families=("thermal",) * 12)
    assert weighed(design) == []
    found = keep_ledger(spent(design), [])
    assert (found["remark"], found["bought"]) == (SINGLE_FAMILY, [])


def test_others_of_one_structure_give_no_verdict(make_design):
    families = tuple("strain" if s else "thermal" for s in range(12))
    found = verdicts(replace(make_design(), families=families))
    assert found["strain"]["outcome"] == UNKNOWN
    assert found["thermal"]["outcome"] != UNKNOWN


def test_standard_errors_are_paired(planted):
    row = row_of(weighed(planted), "b", None)
    held_out = LinearProblem(planted, prior_power=0.0).leave_out(WEIGHTS, ALPHA, planted.groups)
    others = np.flatnonzero(np.array(planted.families) != "b")
    alone = standard_errors(held_out.select(others), [planted.groups[s] for s in others])
    assert row["force_rmse_change_se_ev_per_ang"] < 0.3 * alone["force_rmse_se_ev_per_ang"]
    canonical_json(keep_ledger(spent(planted), weighed(planted)))
