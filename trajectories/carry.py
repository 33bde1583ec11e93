"""Last value carried forward with its age: the one rule by which records, simulators and learned models fill in."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..contracts import Spec, Trajectories


@functools.lru_cache(maxsize=64)  # a step must not send constants from the host again
def limits(spec: Spec, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Midpoint (D,) and maximal age in hours (D,) of the features; not to be written to."""
    midpoint = torch.tensor([f.midpoint for f in spec.features], device=device)
    return midpoint, torch.tensor([f.max_age for f in spec.features], device=device)


def unmeasured(spec: Spec, rows: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Vitals, seen and age (rows, D) of patients of whom nothing was ever measured."""
    midpoint, max_age = limits(spec, device)
    shape = (rows, len(spec.features))
    return midpoint.expand(shape), torch.zeros(shape, dtype=torch.bool, device=device), max_age.expand(shape)


def carry(
    spec: Spec, vitals: Tensor, age: Tensor, hours: Tensor, measured: Tensor, seen: Tensor
) -> tuple[Tensor, Tensor]:
    """Vitals and age (B, D) after `hours` (B,), given what was `measured` where `seen` (B, D).

    A seen value has age 0; an unseen one keeps its value and ages by the hours, until `max_age`, where it falls
    back to the midpoint.
    """
    midpoint, max_age = limits(spec, vitals.device)
    older = torch.minimum(age + hours[:, None], max_age)
    kept = torch.where(older >= max_age, midpoint, vitals)
    return torch.where(seen, measured, kept), torch.where(seen, 0.0, older)


def pad(trajectories: Trajectories) -> Trajectories:
    """The same stays with canonical padding (see `Trajectories`), so that equal stays are equal arrays."""
    t = trajectories
    midpoint, max_age = limits(t.spec, t.vitals.device)
    valid = valid_states(t)[:, :, None]
    return t.replace(
        vitals=torch.where(valid, t.vitals, midpoint),
        seen=t.seen & valid,
        age=torch.where(valid, t.age, max_age),
        dose=torch.where(t.mask[:, :, None], t.dose, 0.0),
        hours=torch.where(t.mask, t.hours, 0.0),
    )


def valid_states(trajectories: Trajectories) -> Tensor:
    """Which states (N, T+1) bool were really observed: before the end, and at it where the stay was still in care."""
    steps = torch.arange(trajectories.mask.shape[1] + 1, device=trajectories.mask.device)
    last = trajectories.length - (trajectories.outcome != 0).long()
    return steps <= last[:, None]
