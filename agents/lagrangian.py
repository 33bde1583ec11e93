"""Multipliers that hold expected costs within their budgets: what a cost is worth in reward."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class PIDConfig:
    """Gains of the controller; the integral alone is the classical Lagrangian.

    Errors are shares of the budget, at most one, so that no gain depends on a cost's unit and a bad start does not
    wind the integral up. The controller aims `margin` below the budget, for what it leaves wavers on both sides. Over
    the first `ease` of training the budget comes down, in equal steps, from what the first generation of stays cost:
    held at once it would stamp out all that is dear before anything is known of its worth.
    """

    proportional: float = 0.5
    integral: float = 0.1
    derivative: float = 0.5
    smoothing: float = 0.5  # of the error and of the cost whose rise is penalised
    highest: float = 100.0
    margin: float = 0.05
    ease: float = 0.5  # share of training


@dataclass(frozen=True)
class Multipliers:
    """One multiplier per budget, steered by a PID controller on how far the cost is over it.

    Stooke, Achiam & Abbeel 2020 (arXiv 2007.03964), algorithm 2: the proportional and derivative terms damp the
    oscillation of the integral, and only a rising cost is penalised by the derivative. Costs are those of a whole
    generation of stays: the first to end are the short ones. All tensors (J,) but for `stays` (), float64.
    """

    value: Tensor
    integral: Tensor
    error: Tensor  # smoothed share of the budget
    cost: Tensor  # smoothed share of the budget
    total: Tensor  # cost of the stays that ended since the last update
    stays: Tensor  # how many these are
    last: Tensor  # mean cost per stay of the last generation; NaN before the first
    first: Tensor  # ... and of the first one

    @classmethod
    def zero(cls, budgets: int) -> Multipliers:
        """Nothing penalised yet."""
        none = torch.zeros(budgets, dtype=torch.float64)
        unknown = torch.full_like(none, torch.nan)
        return cls(none, none, none, none, none, none.new_zeros(()), unknown, unknown)

    def after(
        self, stays: float, cost: Tensor, budget: Tensor, config: PIDConfig, *, generation: int, done: float = 1.0
    ) -> Multipliers:
        """After `stays` more have ended, with `cost` (J,) in all; moved once a `generation` of them has.

        `done` is the share of training that lies behind.
        """
        counted = replace(self, total=self.total + cost.double(), stays=self.stays + stays)
        return counted if float(counted.stays) < generation else counted._moved(budget.double(), config, done)

    @property
    def moved(self) -> bool:
        """Whether a generation has just ended."""
        return float(self.stays) == 0 and not bool(torch.isnan(self.last).any())

    def _moved(self, budget: Tensor, config: PIDConfig, done: float) -> Multipliers:
        """By the mean cost per stay (J,) against the `budget` (J,), or what it is as yet."""
        mean = self.total / self.stays
        first = torch.where(torch.isnan(self.first), mean, self.first)
        left = max(0.0, 1 - done / config.ease) if config.ease > 0 else 0.0
        share = mean / (budget + left * (first - budget).clamp_min(0))
        over = (share - (1 - config.margin)).clamp(max=1)
        keep, new = config.smoothing, 1 - config.smoothing
        integral = (self.integral + over * config.integral).clamp(0, config.highest)
        error = keep * self.error + new * over
        smooth = keep * self.cost + new * share
        rise = (smooth - self.cost).clamp(0, 1)
        value = (config.proportional * error + integral + config.derivative * rise).clamp(0, config.highest)
        return Multipliers(value, integral, error, smooth, self.total * 0, self.stays * 0, mean, first)


def penalised(advantage: Tensor, multipliers: Tensor) -> Tensor:
    """Advantage (M,) of reward less cost, from those of reward and costs (M, 1 + J), scaled to a spread of one.

    Each is measured in its own standard deviations, so that a multiplier of 1 weighs a cost as much as the reward,
    whatever their units (the reward-scale invariance of Stooke et al. 2020, section 6).
    """
    mixed = advantage[:, 0]
    if advantage.shape[1] > 1:
        spread = advantage.std(0)
        flat = spread <= 1e-6 * advantage.abs().amax(0)  # nothing to choose between
        scaled = advantage / torch.where(flat, torch.inf, spread)
        mixed = scaled[:, 0] - scaled[:, 1:] @ multipliers.to(advantage)
    return (mixed - mixed.mean()) / (mixed.std() + 1e-8)
