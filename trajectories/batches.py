"""Batches put together, one after the other or row by row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ..contracts import Decisions, PatientState, Trajectories

T = TypeVar("T", Trajectories, Decisions)


def concatenate(batches: Sequence[T]) -> T:
    """One batch of the stays of several, which must agree in all other sizes; ValueError for no batch at all."""
    if not batches:
        raise ValueError("nothing to concatenate: expected at least one batch")
    tensors = [name for name, value in vars(batches[0]).items() if isinstance(value, Tensor)]
    return batches[0].replace(**{name: torch.cat([getattr(b, name) for b in batches]) for name in tensors})


def where(rows: Tensor, a: PatientState, b: PatientState) -> PatientState:
    """Row i of `a` where `rows[i]` (B,) bool, else of `b`; no host synchronisation."""

    def pick(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(rows.reshape(-1, *[1] * (x.dim() - 1)), x, y)

    return PatientState(*(pick(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(PatientState)))
