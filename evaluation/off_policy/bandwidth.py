"""Choosing the smoothing of kernel importance sampling from the data alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .estimates import Estimate

T = TypeVar("T")


def lepski(candidates: Sequence[tuple[T, Estimate]], level: float = 0.95) -> tuple[T, Estimate]:
    """The least smooth choice that no smoother one is contradicted by; candidates from the smoothest on.

    Smoother estimates vary less and are biased more. Going down, we stop before the first whose interval no longer
    meets all those before it: from there on the bias of the smoother ones shows. Su, Srinath & Krishnamurthy (2020),
    "SLOPE", algorithm 1. Choose on tuning patients and report on held-out ones. ValueError without candidates.
    """
    if not candidates:
        raise ValueError("lepski: expected at least one candidate, from the smoothest to the least smooth")
    floor, ceiling = -float("inf"), float("inf")
    chosen = candidates[0]
    for candidate in candidates:
        low, high = candidate[1].interval(level, "delta")
        floor, ceiling = max(floor, low), min(ceiling, high)
        if floor > ceiling:
            break
        chosen = candidate
    return chosen
