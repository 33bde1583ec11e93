"""Logged decisions as transitions, the replay of every agent that learns values from records."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Decisions
from .records import LoggedData


@dataclass(frozen=True)
class Replay:
    """M decisions really made, and what each led to. Values after the end of a stay are 0, also at the horizon."""

    obs: Tensor  # (M, O)
    action: Tensor  # (M,) int64, or (M, U) in -1..1
    reward: Tensor  # (M,)
    onward: Tensor  # (M,) discount of what comes next; 0 where the stay ends
    next_obs: Tensor  # (M, O)
    next_allowed: Tensor | None  # (M, A) bool
    allowed: Tensor | None  # (M, A) bool
    low: float  # least and greatest return of a logged stay: no value lies beyond
    high: float

    def __len__(self) -> int:
        return len(self.obs)

    def pick(self, rows: Tensor) -> Replay:
        """Some of the transitions."""

        def of(x: Tensor | None) -> Tensor | None:
            return None if x is None else x[rows]

        return Replay(
            self.obs[rows], self.action[rows], self.reward[rows], self.onward[rows], self.next_obs[rows],
            of(self.next_allowed), of(self.allowed), self.low, self.high,
        )  # fmt: skip

    def bounded(self, value: Tensor) -> Tensor:
        """The value within what any logged stay returned."""
        return value.clamp(self.low, self.high)


def replay_of(decisions: Decisions, *, discount: float = 1.0, per_hours: float | None = None) -> Replay:
    """All transitions of the stays.

    The discount is per decision, or with `per_hours` per so many hours, as irregular intervals need it. Actions that a
    mask forbids are kept: clinicians took them, and they teach what they lead to. ValueError where no decision was
    made, or for a discount outside 0..1.
    """
    mask = decisions.mask
    if not bool(mask.any()):
        raise ValueError("expected at least one decision to learn from, got none: is the split or the mask empty?")
    if not 0 < discount <= 1:
        raise ValueError(f"discount: expected a number in 0..1, got {discount}")
    steps = mask.shape[1]
    passing = torch.ones_like(decisions.hours) if per_hours is None else decisions.hours / per_hours
    factor = discount**passing
    last = torch.arange(steps, device=mask.device) == mask.sum(1, keepdim=True) - 1
    returns = returns_to_go(decisions.reward, factor, mask)
    allowed = decisions.allowed
    return Replay(
        obs=decisions.obs[:, :steps][mask],
        action=decisions.action[mask],
        reward=decisions.reward[mask],
        onward=torch.where(last, 0.0, factor)[mask],
        next_obs=decisions.obs[:, 1:][mask],
        next_allowed=None if allowed is None else _open(allowed[:, 1:][mask]),
        allowed=None if allowed is None else _open(allowed[:, :steps][mask]),
        low=float(returns.min()),
        high=float(returns.max()),
    )


def replays(source: LoggedData, *, discount: float = 1.0, per_hours: float | None = None) -> tuple[Replay, Replay]:
    """The transitions of training and of tuning stays; ValueError as for `replay_of`."""
    train, tuning = (replay_of(part, discount=discount, per_hours=per_hours) for part in (source.train, source.tuning))
    return train, tuning


def _open(allowed: Tensor) -> Tensor:
    """A row that allows nothing, as after the end of a stay, allows everything."""
    return allowed | ~allowed.any(1, keepdim=True)


def returns_to_go(reward: Tensor, factor: Tensor, mask: Tensor) -> Tensor:
    """Discounted rewards from every decision on (M,)."""
    after = torch.zeros_like(reward[:, 0])
    columns = []
    for t in reversed(range(reward.shape[1])):
        after = torch.where(mask[:, t], reward[:, t] + factor[:, t] * after, 0.0)
        columns.append(after)
    return torch.stack(columns[::-1], 1)[mask]


def best_allowed(values: Tensor, allowed: Tensor | None) -> Tensor:
    """The allowed action (B,) of the highest value (B, A)."""
    return (values if allowed is None else values.masked_fill(~allowed, -torch.inf)).argmax(1)


def value_at(values: Tensor, action: Tensor) -> Tensor:
    """Values (B,) of actions (B,) in (B, A)."""
    return values.gather(1, action[:, None])[:, 0]
