"""A training configuration for tests."""

from typing import Any

import pytest


@pytest.fixture
def small_config() -> dict[str, Any]:
    """A composed configuration of a short run."""
    return {
        "model": {"width": 12, "depth": 2, "activation": "silu", "linear": True, "dropout": 0.0},
        "loss": {
            "w_energy": 400.0,
            "w_force": 1.0,
            "w_stress": 2500.0,
            "lambda_m": 0.0,
            "kernel": "gaussian",
            "width_ang": 0.05,
            "samples": 1,
        },
        "optimizer": {
            "name": "adam",
            "learning_rate": 0.01,
            "weight_decay": 0.0,
            "schedule": "cosine",
            "final_fraction": 0.01,
            "plateau_patience": 2,
        },
        "trainer": {
            "max_epochs": 40,
            "batch_size": 8,
            "validate_every": 5,
            "patience": 20,
            "gradient_clip": 10.0,
            "validation_fraction": 0.2,
        },
    }
