"""Logged decisions as agents learn from them: the rows under the mask, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Decisions


@dataclass(frozen=True)
class LoggedData:
    """What an agent that learns from records is given; held-out patients are never among it."""

    train: Decisions
    tuning: Decisions  # early stopping and calibration


def flatten(decisions: Decisions, actions: int) -> tuple[Tensor, Tensor]:
    """Observations (M, O) and actions (M,) int64 of the decisions that were made.

    ValueError where there are none, the actions are not discrete, or one is outside 0..actions-1.
    """
    mask = decisions.mask
    if not mask.any():
        raise ValueError("expected at least one decision to learn from, got none: is the split or the mask empty?")
    if decisions.action.shape != mask.shape:
        raise ValueError(
            f"expected discrete actions {tuple(mask.shape)}, got {tuple(decisions.action.shape)}: encode doses first"
        )
    action = decisions.action[mask].long()
    if action.min() < 0 or action.max() >= actions:
        raise ValueError(f"expected actions in 0..{actions - 1}, got {int(action.min())}..{int(action.max())}")
    return decisions.obs[:, : mask.shape[1]][mask], action


def action_counts(action: Tensor, actions: int) -> Tensor:
    """How often each action occurs (A,) int64."""
    return torch.bincount(action, minlength=actions)


def most_frequent_action(decisions: Decisions, actions: int) -> int:
    """The action taken most often."""
    return int(action_counts(flatten(decisions, actions)[1], actions).argmax())
