"""Choosing among policies trained under growing penalties: by support on tuning patients, never by their claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A policy as far as the choice may see it; what it claims in the simulator is not here, on purpose."""

    penalty: float  # weight of the ensemble's disagreement in the training reward
    unsupported: float  # share of its probability on rare actions, on tuning patients


def select(candidates: Sequence[Candidate], *, limit: float) -> int:
    """Index of the candidate with the smallest penalty whose unsupported share is at most `limit`.

    Where none stays within the limit: the best supported one, since support need not grow with the penalty. Equal
    numbers: the first by penalty, then by support. ValueError for no candidate at all.
    """
    if not candidates:
        raise ValueError("nothing to choose from: expected at least one candidate")
    order = sorted(range(len(candidates)), key=lambda i: (candidates[i].penalty, candidates[i].unsupported))
    within = [i for i in order if candidates[i].unsupported <= limit]
    return within[0] if within else min(order, key=lambda i: candidates[i].unsupported)


def rule(limit: float) -> str:
    """The rule in words, for reports."""
    return (
        f"the smallest penalty at which at most {limit:.0%} of the policy's probability falls on actions that the "
        "fitted clinician takes less than 1 % of the time, on tuning patients; if none, the best supported one"
    )
