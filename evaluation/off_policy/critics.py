"""What linear and network critics share: their settings, their scale, and by which error they are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from .transitions import Transitions

_CLIP = 8.0  # standard deviations beyond which an observation counts as that far


@dataclass(frozen=True)
class CriticConfig:
    """How a critic is fitted."""

    kind: Literal["network", "linear"] = "network"
    members: int = 3  # networks averaged; a linear critic needs one
    hidden: tuple[int, ...] = (64, 64)
    rounds: int = 60  # regressions at most, each on the targets of the one before; never fewer than decisions
    patience: int = 6  # rounds without a smaller held-out Bellman error
    batch_size: int = 4096  # at most; fewer where that would leave under 16 updates a round
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    averaging: float = 0.8  # of the weights, from round to round
    tuning_share: float = 0.15  # of the patients: early stopping
    ridge: float = 3.0  # linear: how many average decisions each action's own coefficients must outweigh
    folds: int = 3  # of the patients, in cross-fitting


class Critic(Protocol):
    """Values as coefficients on the basis of actions."""

    def __call__(self, obs: Tensor) -> Tensor: ...  # (M, A) from (M, O)


@dataclass(frozen=True)
class Fit:
    """A fitted critic, and the mean squared Bellman residual on tuning patients with which it stopped."""

    critic: Critic
    error: float
    rounds: int


@dataclass(frozen=True)
class Scale:
    """Observations in standard deviations, values in standard deviations of the return."""

    center: Tensor  # (O,)
    spread: Tensor  # (O,)
    mean: float
    unit: float

    @classmethod
    def of(cls, data: Transitions, length: int) -> Scale:
        """The scale of training data."""
        returns = data.returns(length)
        spread = data.obs.std(0, unbiased=False)
        unit = float(returns.std(unbiased=False)) or 1.0
        return cls(data.obs.mean(0), torch.where(spread > 0, spread, 1.0), float(returns.mean()), unit)

    def inputs(self, obs: Tensor) -> Tensor:
        """Scaled observations (M, O)."""
        return ((obs - self.center) / self.spread).clamp(-_CLIP, _CLIP)


def bellman_error(critic: Critic, data: Transitions) -> float:
    """Mean of (q - r - g v')^2 over decisions: the residual of the equation that the value solves."""
    found = critic(data.obs)
    gap = (found * data.taken).sum(1) - data.targets((found * data.wanted).sum(1))
    return float((gap**2).mean())
