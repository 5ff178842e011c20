"""A small pool with a fit to some of it, and the rows that the house's own fit would add."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pesforge.acquisition.blocks import Blocks, blocks_of
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.acquisition.rules import Reference
from pesforge.acquisition.select import Problem
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design

WEIGHTS = Weights(energy=400.0, force=1.0, stress=0.0)


@dataclass(frozen=True)
class Case:
    """A pool of candidates, the labelled structures, the fit to them, and the problem of choosing."""

    pool: Design
    labelled: Design
    factor: Factor
    blocks: Blocks
    problem: Problem

    def rows(self, structure: int) -> np.ndarray:
        """Weighted rows of one candidate as the fit itself would use them."""
        return self.factor.rows(self.pool.select(np.array([structure])))[0]


def hidden(design: Design) -> Design:
    """The design without any label."""
    energy, forces, stress = (np.full_like(y, np.nan) for y in (design.y_energy, design.y_forces, design.y_stress))
    return replace(design, y_energy=energy, y_forces=forces, y_stress=stress)


def problem_of(factor: Factor, pool: Design, labelled: Design, cost_s: np.ndarray | None = None) -> Problem:
    """The problem of choosing from a pool, with all that any rule asks for."""
    field = EnergyField.of(factor, pool, labelled)
    return Problem(factor, blocks_of(factor, pool), Reference.of(factor, pool), field, cost_s=cost_s)


@pytest.fixture
def make_case(make_design: Callable[..., Design]) -> Callable[..., Case]:
    def make(candidates: int = 8, functions: int = 9, cost_s: np.ndarray | None = None, alpha: float = 1e-2) -> Case:
        design = make_design(structures=candidates + 3, functions=functions)
        pool, labelled = hidden(design.select(np.arange(3, candidates + 3))), design.select(np.arange(3))
        factor = Frame.of(design, prior_power=1.0).factor(labelled, WEIGHTS, alpha=alpha)
        problem = problem_of(factor, pool, labelled, cost_s)
        return Case(pool, labelled, factor, problem.blocks, problem)

    return make
