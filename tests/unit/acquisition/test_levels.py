"""Two levels in one model against explicit covariances of two potentials, exhaustive search and known limits."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest

from pesforge.acquisition.blocks import Blocks, blocks_of, energy_rows
from pesforge.acquisition.levels import (
    HIGH,
    LOW,
    Coupling,
    high_potential,
    joint_design,
    joint_field,
    joint_frame,
)
from pesforge.acquisition.model import Frame
from pesforge.acquisition.posterior import Posterior
from pesforge.acquisition.rules import CRITERIA, Reference
from pesforge.acquisition.select import Problem, Rule, select
from pesforge.errors import DataError
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design

WEIGHTS = Weights(energy=400.0, force=1.0, stress=0.0)
COUPLING = Coupling(rho=0.9, share=0.3)
START = 2
"""The first structures have labels of both levels."""


@dataclass(frozen=True)
class TwoLevels:
    """Structures at two levels, the joint design, the fit to the labels of the start and the labels left."""

    low: Design
    high: Design
    joint: Design
    frame: Frame
    factor: Factor
    known: np.ndarray
    left: np.ndarray

    def problem(self, cost_s: np.ndarray | None = None) -> Problem:
        pool = self.joint.select(self.left)
        size = len(self.low.ids)
        high = self.joint.select(np.arange(size * HIGH, size * (HIGH + 1)))
        return Problem(self.factor, blocks_of(self.factor, pool), Reference.of(self.factor, high), cost_s=cost_s)


def case_of(low: Design, coupling: Coupling = COUPLING, alpha: float = 1e-2) -> TwoLevels:
    rng = np.random.default_rng(5)
    high = replace(
        low,
        y_energy=0.9 * low.y_energy + 7.0 * low.n_atoms + 0.1 * rng.normal(size=len(low.ids)),
        y_forces=0.9 * low.y_forces + 0.1 * rng.normal(size=len(low.y_forces)),
    )
    joint, size = joint_design(low, high, coupling), len(low.ids)
    frame = joint_frame(Frame.of(low, prior_power=1.0), joint, coupling)
    known = np.concatenate([np.arange(START), size + np.arange(START)])
    factor = frame.factor(joint.select(known), WEIGHTS, alpha=alpha)
    return TwoLevels(low, high, joint, frame, factor, known, np.setdiff1d(np.arange(2 * size), known))


@pytest.fixture
def two(make_design) -> TwoLevels:
    return case_of(make_design(structures=7, functions=5))


def explicit(two: TwoLevels, labels: np.ndarray, coupling: Coupling) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted rows and targets of some labels in the coefficients of f_L, δ and both zeros, and the prior variances.

    Written anew from the definition f_H = ρ f_L + δ, row by row, without any of the room's code.
    """
    scale = two.frame.scale[:5]
    rows, targets = [], []
    for label in labels:
        level, s = divmod(int(label), len(two.low.ids))
        design = (two.low, two.high)[level].select(np.array([s]))
        share = design.counts / design.n_atoms[:, None]
        unit = np.array([[1.0, 0.0], [coupling.rho, 1.0]])[level]
        mean = share @ two.frame.functions[:2, :5]
        zeros = np.kron(np.eye(2)[level], share)
        energy = np.concatenate([np.kron(unit, design.energy / design.n_atoms[0] - mean), zeros], axis=1)
        force = np.pad(np.kron(unit[None], design.forces), ((0, 0), (0, 4)))
        zero = share[0] @ np.split(two.factor.centring.energy, 2)[level]
        rows += [20.0 * energy, force]
        targets += [20.0 * (design.y_energy / design.n_atoms[0] - zero), design.y_forces]
    prior = np.concatenate([scale, coupling.share * scale, two.frame.scale[-4:]]) ** 2
    return np.concatenate(rows), np.concatenate(targets), prior / two.factor.alpha


def test_the_fit_is_the_conditional_mean_of_both_potentials(two):
    rows, targets, prior = explicit(two, two.known, COUPLING)
    gram = (rows * prior) @ rows.T + np.eye(len(rows))
    mean = prior * (rows.T @ np.linalg.solve(gram, targets))
    found = high_potential(two.factor, COUPLING)
    np.testing.assert_allclose(found.coefficients, 0.9 * mean[:5] + mean[5:10], rtol=1e-6, atol=1e-9)
    low, delta = np.split(two.factor.fit().coefficients, 2)
    np.testing.assert_allclose(np.concatenate([low, delta]), mean[:10], rtol=1e-6, atol=1e-9)
    zeros = mean[12:] + two.factor.centring.energy[2:] - two.frame.functions[2:] @ np.concatenate([low, delta])
    np.testing.assert_allclose(found.zeros, zeros, rtol=1e-8)


def test_the_posterior_is_the_joint_covariance_of_both_potentials(two):
    picks = select(two.problem(), Rule("d_optimal"), 3)
    posterior = Posterior.of(two.factor)
    for pick in picks:
        posterior = posterior.after(two.problem().blocks.rows[pick.index])
    labels = np.concatenate([two.known, two.left[[pick.index for pick in picks]]])
    rows, _, prior = explicit(two, labels, COUPLING)
    gram = (rows * prior) @ rows.T + np.eye(len(rows))
    covariance = np.diag(prior) - (prior[:, None] * rows.T) @ np.linalg.solve(gram, rows * prior)
    scaled = two.frame.scale[:, None] * (posterior.root @ posterior.root.T) * two.frame.scale
    np.testing.assert_allclose(scaled, covariance, atol=1e-9 * np.abs(covariance).max())


def value(two: TwoLevels, chosen: tuple[int, ...], blocks: Blocks) -> float:
    rows = np.concatenate([np.empty((0, len(two.factor.normal))), *(blocks.rows[s] for s in chosen)])
    return float(np.linalg.slogdet(two.factor.normal + rows.T @ rows)[1] - np.linalg.slogdet(two.factor.normal)[1])


@pytest.mark.parametrize("budget", [5.0, 9.0, 14.0])
def test_gain_per_second_keeps_the_bound_of_a_budget_over_structures_and_levels(two, budget):
    """The better of gain and gain per second is worth (1 − 1/e)/2 of the best purchase at least.

    Source: J. Leskovec et al., Proc. 13th KDD, 420 (2007).
    """
    seconds = np.where(two.left < 7, 1.0, 4.0)
    problem = two.problem(seconds)
    greedy = 0.0
    for per_cost in (False, True):
        order = [pick.index for pick in select(problem, Rule("d_optimal", per_cost=per_cost), len(seconds))]
        paid = [s for number, s in enumerate(order) if seconds[order[: number + 1]].sum() <= budget]
        greedy = max(greedy, value(two, tuple(paid), problem.blocks))
    best = max(
        value(two, chosen, problem.blocks)
        for count in range(1, 8)
        for chosen in combinations(range(len(seconds)), count)
        if seconds[list(chosen)].sum() <= budget
    )
    assert 0.5 * (1 - 1 / np.e) * best <= greedy <= best * (1 + 1e-12)


def test_forces_of_equal_levels_are_worth_the_same_and_low_labels_of_unrelated_ones_nothing(make_design):
    low = make_design(structures=7, functions=5)
    gains = {}
    for name, coupling in (("equal", Coupling(1.0, 1e-6)), ("unrelated", Coupling(0.0, 1.0))):
        two = case_of(low, coupling)
        problem, posterior = two.problem(), Posterior.of(two.factor)
        target, rule = problem.reference.energy_target(posterior), CRITERIA["i_optimal"]
        atoms = [rule.atoms(posterior.whiten(rows), target) for rows in problem.blocks.atoms]
        gains[name] = np.split(rule.structures(posterior, problem.blocks, target), 2), atoms[:5], atoms[5:]
    _, cheap, dear = gains["equal"]
    np.testing.assert_allclose(np.concatenate(cheap), np.concatenate(dear), rtol=1e-5)
    (cheap, dear), _, _ = gains["unrelated"]
    np.testing.assert_allclose(cheap, 0.0, atol=1e-9 * dear.max())


def test_of_equal_levels_the_cheap_one_is_bought_and_of_unrelated_ones_the_dear_one(make_design):
    low = make_design(structures=7, functions=5)
    seconds = np.where(np.arange(14) < 7, 1.0, 3.0)
    for coupling, level in ((Coupling(1.0, 1e-3), LOW), (Coupling(0.05, 1.0), HIGH)):
        two = case_of(low, coupling)
        frame = Frame.of(low, prior_power=1.0).factor(low.select(np.arange(START)), WEIGHTS, alpha=0.1)
        field = joint_field(frame, low, coupling, candidates=two.left, labelled=two.known.tolist())
        problem = replace(two.problem(seconds[two.left]), field=field)
        for name in ("i_optimal_misfit", "i_optimal_both"):
            picks = select(problem, Rule(name, per_cost=True), 3)
            assert {int(two.left[pick.index]) // 7 for pick in picks} == {level}, name


def test_the_field_is_the_conditional_gaussian_of_both_levels(make_design):
    low = make_design(structures=12)
    factor = Frame.of(low, prior_power=2.0).factor(low.select(np.arange(2)), WEIGHTS, alpha=0.1)
    known, left = [0, 1, 12, 15], np.setdiff1d(np.arange(24), [0, 1, 12, 15])
    field = joint_field(factor, low, COUPLING, candidates=left, labelled=known, noise_share=0.01)
    rows = energy_rows(factor, low)
    rows = rows - rows.mean(axis=0)
    means = low.energy / low.n_atoms[:, None]
    points = (means - means.mean(axis=0)) / means.std(axis=0)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    of_low = rows @ rows.T / np.mean(np.sum(rows**2, axis=1)) + np.exp(-distance / (0.5 * np.median(distance)))
    prior = np.empty((24, 24))
    for one in range(24):
        for other in range(24):
            weight = {(0, 0): 1.0, (0, 1): 0.9, (1, 0): 0.9, (1, 1): 0.9**2 + 0.3**2}[one // 12, other // 12]
            prior[one, other] = weight * of_low[one % 12, other % 12]

    def after(labels):
        cross = prior[:, labels]
        inner = prior[np.ix_(labels, labels)] + 0.01 * np.eye(len(labels))
        return prior - cross @ np.linalg.solve(inner, cross.T)

    before = after(known)
    np.testing.assert_allclose(field.covariance[:20, :20], before[np.ix_(left, left)], atol=1e-10)
    gains = field.gains(np.arange(20))
    for place, label in enumerate(left):
        expected = np.mean(np.diag(before)[12:] - np.diag(after([*known, int(label)]))[12:])
        assert gains[place] == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_the_coupling_is_that_of_the_forces(make_design):
    low = make_design(structures=5)
    high = replace(low, y_forces=1.1 * low.y_forces, y_energy=low.y_energy + 50.0)
    found = Coupling.of(low, high)
    assert (found.rho, found.share) == (pytest.approx(1.1), 1e-3)
    other = np.tile([1.0, -1.0], len(low.y_forces) // 2 + 1)[: len(low.y_forces)]
    other -= low.y_forces * (other @ low.y_forces) / (low.y_forces @ low.y_forces)
    size = np.sqrt(low.y_forces @ low.y_forces / (other @ other))
    found = Coupling.of(low, replace(low, y_forces=1.1 * low.y_forces + 0.2 * size * other))
    assert (found.rho, found.share) == (pytest.approx(1.1), pytest.approx(0.2))


def test_what_does_not_belong_together_is_refused(make_design):
    low = make_design(structures=5)
    other = low.select(np.arange(4))
    for wrong in (lambda: joint_design(low, other, COUPLING), lambda: Coupling.of(low, other)):
        with pytest.raises(DataError, match="same"):
            wrong()
    with pytest.raises(DataError, match="no force of both levels"):
        Coupling.of(low, replace(low, y_forces=np.full_like(low.y_forces, np.nan)))
    with pytest.raises(DataError, match="above 0"):
        Coupling(1.0, 0.0)
