"""Batches put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ..contracts import Decisions, Trajectories

T = TypeVar("T", Trajectories, Decisions)


def concatenate(batches: Sequence[T]) -> T:
    """One batch of the stays of several, which must agree in all other sizes; ValueError for no batch at all."""
    if not batches:
        raise ValueError("nothing to concatenate: expected at least one batch")
    tensors = [name for name, value in vars(batches[0]).items() if isinstance(value, Tensor)]
    return batches[0].replace(**{name: torch.cat([getattr(b, name) for b in batches]) for name in tensors})
