"""Synthetic structures with labels of two levels whose laws, bias and noise are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pesforge.fidelity.rows import Scaling, level_rows
from pesforge.representations.design import Design

FUNCTIONS = 24


def relabel(design: Design, law: np.ndarray, noise: float, seed: int, zero: float = 0.0) -> Design:
    """The structures with labels of another law; energies per atom carry a twentieth of the noise, stresses a 50th."""
    rng = np.random.default_rng(seed)
    stress = design.stress @ law + noise * rng.normal(size=len(design.stress)) / 50
    return replace(
        design,
        y_energy=design.energy @ law
        + design.counts @ [-3.0 + zero, -5.0 - zero]
        + noise * rng.normal(size=len(design.ids)) * design.n_atoms / 20,
        y_forces=design.forces @ law + noise * rng.normal(size=len(design.forces)),
        y_stress=np.where(np.isfinite(design.y_stress), stress, np.nan),
    )


@pytest.fixture
def make_levels(make_design) -> Callable[..., tuple[Design, Design]]:
    """Designs of the high and the low level: the low law is the high one plus `bias` times another, over ρ."""

    def levels(
        *, structures: int = 40, bias: float = 0.1, noise: float = 0.02, low_noise: float | None = None,
        rho: float = 1.0, per_group: int = 1, seed: int = 0,
    ) -> tuple[Design, Design]:  # fmt: skip
        sizes = np.geomspace(10.0, 0.01, FUNCTIONS)
        rng = np.random.default_rng(seed + 1000)
        law, other = rng.normal(size=FUNCTIONS) / sizes, rng.normal(size=FUNCTIONS) / sizes
        base = make_design(structures=structures, functions=FUNCTIONS, per_group=per_group, seed=seed)
        base = replace(base, degree=np.zeros(FUNCTIONS))
        high = relabel(base, law, noise, seed + 1)
        low = relabel(base, (law + bias * other) / rho, noise if low_noise is None else low_noise, seed + 2, zero=0.7)
        return high, low

    return levels


@pytest.fixture
def make_rows() -> Callable[..., tuple]:
    """Rows of the first structures, the first `n_high` with high labels and the first `n_low` with low ones."""

    def rows(high: Design, low: Design, n_high: int, n_low: int, scaling: Scaling | None = None) -> tuple:
        count = max(n_high, n_low)
        chosen, place = np.arange(count), np.arange(count)
        scaling = scaling or Scaling.of(high, 0.0)
        found, _ = level_rows(
            high.select(chosen), low.select(chosen), scaling, has_high=place < n_high, has_low=place < n_low
        )
        return found, scaling

    return rows
