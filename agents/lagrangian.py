"""Multipliers that hold expected costs within their budgets: what a unit of each cost is worth in reward."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PIDConfig:
    """Gains of the controller; the integral alone is the classical Lagrangian."""

    proportional: float = 0.5
    integral: float = 0.05
    derivative: float = 0.5
    smoothing: float = 0.5  # of the error and of the cost whose rise is penalised
    highest: float = 100.0


@dataclass(frozen=True)
class Multipliers:
    """One multiplier per budget, steered by a PID controller on how far the cost is over it.

    Stooke, Achiam & Abbeel 2020 (arXiv 2007.03964), algorithm 2: the proportional and derivative terms damp the
    oscillation of the integral, and only a rising cost is penalised by the derivative. All tensors (J,), float64.
    """

    value: Tensor
    integral: Tensor
    error: Tensor  # smoothed
    cost: Tensor  # smoothed

    @classmethod
    def zero(cls, budgets: int) -> Multipliers:
        """Nothing penalised yet."""
        return cls(*(torch.zeros(budgets, dtype=torch.float64) for _ in range(4)))

    def updated(self, cost: Tensor, budget: Tensor, config: PIDConfig) -> Multipliers:
        """After a batch of stays with mean `cost` (J,) against the `budget` (J,), per stay; NaN leaves it as it was."""
        known = ~torch.isnan(cost)
        over = torch.where(known, cost.double(), budget.double()) - budget.double()
        keep, new = config.smoothing, 1 - config.smoothing
        integral = (self.integral + over * config.integral).clamp(0, config.highest)
        error = keep * self.error + new * over
        smooth = keep * self.cost + new * torch.where(known, cost.double(), self.cost)
        rise = (smooth - self.cost).clamp_min(0)
        value = (config.proportional * error + integral + config.derivative * rise).clamp(0, config.highest)
        return Multipliers(*(torch.where(known, a, b) for a, b in zip(
            (value, integral, error, smooth), (self.value, self.integral, self.error, self.cost), strict=True
        )))  # fmt: skip
