"""A policy of continuous doses as records of dose levels see it: how often its doses fall into each level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Policy
from ..trajectories.noise import ACTOR, normals, seeds
from .categorical import draw, log_prob_of, renormalised

_SEED = 0  # of the draws: the same for every patient and decision, so that equal observations are treated alike


@dataclass(frozen=True, eq=False)
class LevelledPolicy:
    """The share of a policy's doses that falls into each level, over `draws` of them.

    It lets estimators of levels, maps of doses and measures of support speak of such a policy. Whoever acts by it
    gives the level's fixed dose, not the dose that was meant.
    """

    policy: Policy  # of actions (B, U)
    level: Callable[[Tensor], Tensor]  # the level action (B,) int64 of actions (B, U)
    actions: int  # A
    draws: int = 64

    @property
    def noise_dim(self) -> int:
        """One standard normal per level action."""
        return self.actions

    @torch.no_grad()
    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A), in steps of one draw."""
        zero = torch.zeros(self.draws, dtype=torch.int64)
        noise = normals(seeds(_SEED, self.draws), zero, zero, self.policy.noise_dim, stream=ACTOR).to(obs)
        counts = obs.new_zeros(len(obs), self.actions)
        one = obs.new_ones(len(obs), 1)
        for row in noise:
            counts.scatter_add_(1, self.level(self.policy.act(obs, None, row.expand(len(obs), -1)))[:, None], one)
        return renormalised(counts / self.draws, allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Level action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of level actions (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)
