"""Generalised advantages (Schulman et al. 2016, arXiv 1506.02438) of rewards and costs, with factors per decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """M decisions of a rollout as learning reads them."""

    obs: Tensor  # (M, O)
    allowed: Tensor | None  # (M, A) bool
    action: Tensor  # (M,) int64 or (M, U), as drawn
    log_prob: Tensor  # (M,) of it, when it was drawn
    advantage: Tensor  # (M, 1 + J): of the reward, then of each cost; or (M,) of both in one
    target: Tensor  # (M, 1 + J) for the critic

    def rows(self, index: Tensor | slice) -> Rollout:
        """These decisions only."""
        allowed = None if self.allowed is None else self.allowed[index]
        return Rollout(
            self.obs[index],
            allowed,
            self.action[index],
            self.log_prob[index],
            self.advantage[index],
            self.target[index],
        )


def advantages(
    steps: Mapping[str, Tensor], allowed: Tensor | None, values: Tensor, beyond: Tensor | None, *, gae_lambda: float
) -> Rollout:
    """A rollout of T decisions in B beds, flattened, with its advantages.

    `steps` holds obs, action, log_prob, gain (T, B, 1 + J), discount (T, B), terminated and truncated (T, B) bool;
    `values` (T + 1, B, 1 + J) are the critic's; `beyond` (T, B, 1 + J) its values past the horizon, or None where value
    ends there. With G the factor to the next decision, delta = gain + G next - value and the advantage is
    delta + G lambda (the next advantage), cut where a stay ends.
    """
    done = steps["terminated"] | steps["truncated"]
    going = (~done)[..., None].to(values.dtype)
    following = values[1:] * going
    if beyond is not None:
        following = following + beyond * (steps["truncated"] & ~steps["terminated"])[..., None]
    factor = steps["discount"][..., None]
    delta = steps["gain"] + factor * following - values[:-1]
    decay = factor * gae_lambda * going
    advantage = torch.empty_like(delta)
    running = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + decay[t] * running
        advantage[t] = running

    def flat(x: Tensor) -> Tensor:
        return x.reshape(-1, *x.shape[2:])

    return Rollout(
        flat(steps["obs"]),
        None if allowed is None else flat(allowed),
        flat(steps["action"]),
        flat(steps["log_prob"]),
        flat(advantage),
        flat(advantage + values[:-1]),
    )
