"""Dose levels: continuous rates to discrete actions and back. The first drug's level varies slowest."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Spec


def levels_of_dose(spec: Spec, dose: Tensor) -> Tensor:
    """Level (..., U) int64 of mean rates (..., U): the number of cut points exceeded."""
    columns = [
        (dose[..., u, None] > torch.tensor(drug.cuts, device=dose.device)).sum(-1) for u, drug in enumerate(spec.drugs)
    ]
    return torch.stack(columns, -1)


def action_of_levels(spec: Spec, levels: Tensor) -> Tensor:
    """Action (...) int64 of levels (..., U); the first drug varies slowest."""
    action = torch.zeros_like(levels[..., 0])
    for u, drug in enumerate(spec.drugs):
        action = action * len(drug.levels) + levels[..., u]
    return action


def levels_of_action(spec: Spec, action: Tensor) -> Tensor:
    """Levels (..., U) int64 of actions (...)."""
    columns = []
    for drug in reversed(spec.drugs):
        columns.append(action % len(drug.levels))
        action = torch.div(action, len(drug.levels), rounding_mode="floor")
    return torch.stack(columns[::-1], -1)


def dose_of_action(spec: Spec, action: Tensor) -> Tensor:
    """The fixed dose (..., U) of actions (...), each drug in its unit."""
    levels = levels_of_action(spec, action)
    fixed = [torch.tensor(drug.levels, device=action.device)[levels[..., u]] for u, drug in enumerate(spec.drugs)]
    return torch.stack(fixed, -1)


def action_of_dose(spec: Spec, dose: Tensor) -> Tensor:
    """The action (...) whose levels the rates (..., U) fall into."""
    return action_of_levels(spec, levels_of_dose(spec, dose))
