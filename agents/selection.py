"""Choosing among policies trained under growing penalties: from data, never by what they claim where they learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A policy as far as the choice may see it; what it claims in its own simulator is not here, on purpose."""

    penalty: float  # weight of the ensemble's disagreement in the training reward
    unsupported: float  # share of its probability on rare actions, on tuning patients
    second: float | None = None  # what it is worth in a second simulator, in which nothing was trained


def select(candidates: Sequence[Candidate], limit: float) -> int:
    """Index of the candidate worth most in the second simulator, of those whose unsupported share is at most `limit`.

    Equally good, or without a second simulator: the smallest penalty. Where none stays within the limit: the best
    supported one, since support need not grow with the penalty. ValueError for no candidate at all, or where only some
    have a second value.
    """
    if not candidates:
        raise ValueError("nothing to choose from: expected at least one candidate")
    if len({c.second is None for c in candidates}) > 1:
        raise ValueError("expected a value in the second simulator for every candidate or for none")
    order = sorted(range(len(candidates)), key=lambda i: (candidates[i].penalty, candidates[i].unsupported))
    within = [i for i in order if candidates[i].unsupported <= limit]
    if not within:
        return min(order, key=lambda i: candidates[i].unsupported)
    return max(within, key=lambda i: candidates[i].second or 0.0)  # the first of equals


def rule(limit: float, *, second: bool) -> str:
    """The rule in words, for reports."""
    best = "the policy worth most in a second simulator, where none was trained," if second else "the smallest penalty"
    return (
        f"{best} of those with at most {limit:.0%} of their probability on actions that the fitted clinician takes "
        "less than 1 % of the time, on tuning patients; if there is none, the best supported one"
    )
