"""Levenberg-Marquardt steps as an optimiser: least squares of few parameters in tens of steps."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

FIRST_DAMPING = 1e-2
DAMPING_RANGE = (1e-12, 1e8)
EASIER, HARDER = 0.2, 5.0
TRIALS = 8
"""Dampings that a step tries before it leaves the parameters where they are."""
DIFFERENCE = 1e-6
"""Step of the forward differences, for parameters of the size of 1 in float64."""


class LevenbergMarquardt(Optimizer):
    """Steps δ = −(JᵀJ + μ diag JᵀJ)⁻¹ Jᵀr that lower |r|² (Marquardt, J. SIAM 11, 431 (1963)).

    The Jacobian is made of forward differences. A trial that does not lower |r|², or whose residuals are not finite,
    raises the damping μ; so no step ever makes the loss larger.

    Args:
        parameters: those that are trained, of the size of 1.
        residuals: the residuals r (R,) at the present parameters.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], residuals: Callable[[], Tensor]) -> None:
        super().__init__(parameters, {"damping": FIRST_DAMPING})
        self.residuals = residuals

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; returns what the closure returns, which is the loss before it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        parameters: list[Tensor] = group["params"]
        start = nn.utils.parameters_to_vector(parameters)
        residuals = self.residuals()
        best = float(residuals.square().sum())
        jacobian = torch.stack([self._difference(parameters, start, k, residuals) for k in range(len(start))], dim=1)
        normal, right = jacobian.T @ jacobian, jacobian.T @ residuals
        scale = normal.diagonal().clone()
        scale.clamp_(min=max(float(scale.max()), 1e-300) * 1e-12)
        for _ in range(TRIALS):
            factor, failed = torch.linalg.cholesky_ex(normal + group["damping"] * scale.diag())
            if not int(failed):
                moved = start - torch.cholesky_solve(right[:, None], factor)[:, 0]
                if self._squares(parameters, moved) < best:
                    group["damping"] = max(group["damping"] * EASIER, DAMPING_RANGE[0])
                    return loss
            group["damping"] = min(group["damping"] * HARDER, DAMPING_RANGE[1])
        nn.utils.vector_to_parameters(start, parameters)
        return loss

    def _squares(self, parameters: list[Tensor], values: Tensor) -> float:
        """|r|² at other parameters, which are kept; infinite where it is not finite."""
        nn.utils.vector_to_parameters(values, parameters)
        total = float(self.residuals().square().sum())
        return total if total == total else float("inf")

    def _difference(self, parameters: list[Tensor], start: Tensor, number: int, residuals: Tensor) -> Tensor:
        """Column of the Jacobian."""
        moved = start.clone()
        moved[number] += DIFFERENCE
        nn.utils.vector_to_parameters(moved, parameters)
        return (self.residuals() - residuals) / DIFFERENCE
