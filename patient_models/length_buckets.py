"""Batches of stays of about the same length: no time is spent on padding."""

from __future__ import annotations

import torch
from torch import Tensor

POOL = 8  # batches that are sorted by length together: few enough to stay random, many enough to be alike


def length_buckets(length: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers of stays of `length` (N,) in random batches of at most `size`, each stay in one of them.

    Stays are shuffled, sorted by length within pools of POOL batches, and the batches shuffled again.
    """
    batches: list[Tensor] = []
    for pool in torch.randperm(len(length), generator=generator).split(POOL * size):
        batches.extend(pool[length[pool].argsort(stable=True)].split(size))
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
