"""Leave-group-out variances against brute force, and the posterior against data drawn from its own prior."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.metrics import Residuals
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design
from pesforge.uncertainty.calibration import raw_laws
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.merit import Scored
from pesforge.uncertainty.variance import Labels, by_members, linear_left_out, linear_new

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)
ALPHA = 1e-3


def unweighted(problem: LinearProblem, design: Design) -> dict[str, np.ndarray]:
    """Scaled rows of every kind, written out one structure at a time."""
    rows: dict[str, list[np.ndarray]] = {"energy": [], "force": [], "stress": []}
    none = np.zeros(design.counts.shape[1])
    for s, n in enumerate(design.n_atoms):
        start = 3 * design.offsets[s]
        centred = design.energy[s] - design.counts[s] @ problem.centring.functions
        rows["energy"].append(np.append(centred, design.counts[s]) / n)
        rows["force"] += [np.append(row, none) for row in design.forces[start : start + 3 * n]]
        rows["stress"] += [np.append(row, none) for row in design.stress[6 * s : 6 * s + 6]]
    return {kind: np.array(found) * problem.scale for kind, found in rows.items()}


def precision(problem: LinearProblem, design: Design) -> np.ndarray:
    """H of the labels of some structures."""
    rows = unweighted(problem, design)
    labelled = np.isfinite(design.y_stress) & np.isfinite(design.stress).all(axis=1)
    rows["stress"] = rows["stress"][labelled]
    return ALPHA * np.eye(len(problem.scale)) + sum(WEIGHTS.of_kind(kind) * x.T @ x for kind, x in rows.items())


@pytest.mark.parametrize("per_group", [1, 4])
def test_left_out_variances_are_those_of_brute_force_refits(make_design: Callable[..., Design], per_group: int) -> None:
    """Groups of few rows and of more rows than unknowns; stress components without a label have no variance."""
    design = make_design(per_group=per_group)
    problem = LinearProblem(design, prior_power=2.0)
    found = linear_left_out(problem, WEIGHTS, ALPHA, design.groups)
    residuals = problem.leave_out(WEIGHTS, ALPHA, design.groups)
    np.testing.assert_allclose(found["energy"].error, residuals.energy)
    for group in set(design.groups):
        inside = np.array([name == group for name in design.groups])
        inverse = np.linalg.inv(precision(problem, design.select(~inside)))
        for kind, rows in unweighted(problem, design.select(inside)).items():
            expected = np.einsum("rp,pq,rq->r", rows, inverse, rows)
            if kind == "stress":
                labelled = np.isfinite(design.y_stress.reshape(-1, 6)[inside]).ravel()
                expected = expected[labelled & np.isfinite(rows).all(axis=1)]
            own = found[kind].select(np.flatnonzero(inside)).spread
            np.testing.assert_allclose(own, expected, rtol=1e-8)


def test_a_group_that_cannot_be_scaled_back_is_refitted(
    make_design: Callable[..., Design], monkeypatch: pytest.MonkeyPatch
) -> None:
    design = make_design(per_group=2)
    problem = LinearProblem(design, prior_power=2.0)
    expected = linear_left_out(problem, WEIGHTS, ALPHA, design.groups)

    def refuse(self: Factor, block: Design) -> None:
        raise DataError("beyond the precision of the numbers")

    monkeypatch.setattr(Factor, "outside", refuse)
    for kind, labels in linear_left_out(problem, WEIGHTS, ALPHA, design.groups).items():
        np.testing.assert_allclose(labels.spread, expected[kind].spread, rtol=1e-8)


def test_variances_of_new_structures_are_those_of_the_whole_fit(make_design: Callable[..., Design]) -> None:
    design = make_design(structures=16)
    seen, new = design.select(np.arange(12)), design.select(np.arange(12, 16))
    problem = LinearProblem(seen, prior_power=2.0)
    found = linear_new(problem.factorise(WEIGHTS, ALPHA), new)
    inverse = np.linalg.inv(precision(problem, seen))
    for kind, rows in unweighted(problem, new).items():
        np.testing.assert_allclose(found[kind].spread, np.einsum("rp,pq,rq->r", rows, inverse, rows), rtol=1e-8)
    with_group = linear_left_out(LinearProblem(design, prior_power=2.0), WEIGHTS, ALPHA, design.groups)
    assert len(found["force"].error) == len(with_group["force"].select(np.arange(12, 16)).error)


def test_a_gaussian_posterior_holds_its_levels_on_data_from_its_own_prior(make_design: Callable[..., Design]) -> None:
    """Coefficients drawn from the prior, noise as the weights say: no calibration is needed, and none is made."""
    design, noise = make_design(structures=24, functions=30, per_group=2), 0.03
    problem = LinearProblem(design, prior_power=2.0)
    law = {kind: Law(noise / np.sqrt(WEIGHTS.of_kind(kind)), noise) for kind in ("energy", "force", "stress")}
    parts: dict[str, list[Scored]] = {kind: [] for kind in law}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        drawn = problem.scale[:-2] * rng.normal(size=30) * noise / np.sqrt(ALPHA)
        energies = design.n_atoms * law["energy"].noise * rng.normal(size=24)
        labelled = replace(
            design,
            y_energy=design.energy @ drawn + design.counts @ [-3.0, -5.0] + energies,
            y_forces=design.forces @ drawn + noise * rng.normal(size=len(design.y_forces)),
            y_stress=design.stress @ drawn + law["stress"].noise * rng.normal(size=len(design.y_stress)),
        )
        again = LinearProblem(labelled, prior_power=2.0)
        for kind, labels in linear_left_out(again, WEIGHTS, ALPHA, design.groups).items():
            parts[kind].append(Scored.of(labels, law[kind]))
    for kind, scored in parts.items():
        whole = Scored.joined(scored)
        size = 1 / np.sqrt(len(whole.error)) + 0.005
        assert whole.coverage((0.5, 0.8, 0.95)) == pytest.approx((0.5, 0.8, 0.95), abs=2 * size), kind
        assert whole.figures(1.0)["standardised_std"] == pytest.approx(1.0, abs=2 * size), kind
    wrong = Scored.joined([replace(part, level=Scored.of(*_half(part)).level) for part in parts["force"]])
    assert abs(wrong.coverage((0.8,))[0] - 0.8) > 0.1


def _half(part: Scored) -> tuple[Labels, Law]:
    """The same errors under half of their deviations."""
    return Labels(part.error, part.deviation**2, np.ones(len(part.error)), part.owner), Law(0.0, 0.5)


def test_the_raw_law_has_the_noise_that_maximises_the_evidence(make_design: Callable[..., Design]) -> None:
    """Near the noise of the labels, and the fixed point of the evidence where α is the one that it takes."""
    problem = LinearProblem(make_design(structures=60, noise=0.05), prior_power=2.0)
    found = problem.evidence(WEIGHTS)
    laws = raw_laws(problem.factorise(WEIGHTS, found.alpha))
    assert laws["force"].noise == pytest.approx(found.noise, rel=1e-6)
    assert laws["force"].noise == pytest.approx(0.05, rel=0.1)
    assert laws["energy"].noise == pytest.approx(laws["force"].noise / 20)
    assert laws["stress"].scale == laws["force"].scale == laws["force"].noise


def test_what_vanishes_by_symmetry_or_has_no_label_is_not_counted() -> None:
    labels = Labels.of(
        np.array([0.1, 1e-14, np.nan, 0.3]), np.array([1e-3, 1e-30, 1e-3, np.nan]), np.array([0, 0, 1, 2])
    )
    assert labels.error.tolist() == [0.1]
    assert labels.owner.tolist() == [0]
    assert labels.symmetric == 1


def test_members_give_mean_errors_and_variances() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([1, 2])
    members = [Residuals(rng.normal(size=2), rng.normal(size=9), np.full(12, np.nan), sizes) for _ in range(5)]
    found = by_members(members)
    assert found["energy"].error == pytest.approx(np.mean([part.energy for part in members], axis=0))
    assert found["force"].spread == pytest.approx(np.var([part.forces for part in members], axis=0, ddof=1))
    assert len(found["stress"].error) == 0
    kept = np.array([[True, True], [True, False], [True, True], [True, True], [False, True]])
    mine = by_members(members, kept=kept)["energy"]
    assert mine.spread[1] == pytest.approx(np.var([members[m].energy[1] for m in (0, 2, 3, 4)], ddof=1))
    with pytest.raises(DataError, match="two members"):
        by_members(members[:1])
    with pytest.raises(DataError, match="two members"):
        by_members(members, kept=kept & (np.arange(5) < 1)[:, None])
