"""A batch of stays in buckets of about the same length: hardly any time is spent on padding."""

from __future__ import annotations

from torch import Tensor

BUCKET = 128  # stays at most: enough to keep a processor busy, few enough to be alike


def length_buckets(rows: Tensor, length: Tensor) -> list[Tensor]:
    """The stays `rows` (B,) of a batch, whose lengths are `length` (N,)[rows], in buckets of similar ones.

    A batch stays the random sample that it was: buckets are for computing, not for updating. Batches of one length
    would be batches of one fate, since whoever dies early has a short stay, and hazards would sway with each update.
    """
    return list(rows[length[rows].argsort(stable=True)].split(BUCKET))
