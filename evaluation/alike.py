"""Stays that all fared alike: a bootstrap of them has no width, though so few cannot rule out what they did not see."""

from __future__ import annotations

from .off_policy.estimates import Estimate
from .off_policy.intervals import Bounds


def alike(value: float, size: float, possible: tuple[float, float], level: float) -> Bounds:
    """Exact bounds of a mean where `size` stays all had the worst, or all the best, of the `possible` returns.

    Clopper & Pearson (1934), at a share of 0 or 1: with none of n seen, up to 1 - ((1 - level) / 2) ** (1 / n) may be
    otherwise. A value in between has no such bound and is returned as it is.
    """
    worst, best = possible
    missed = (best - worst) * (1 - float(((1 - level) / 2) ** (1 / size))) if size > 0 else best - worst
    return best - missed if value == best else value, worst + missed if value == worst else value


def with_width(estimate: Estimate, bounds: Bounds, level: float) -> Bounds:
    """The interval of a weighted estimate; where it has no width, that of as many stays as its effective sample."""
    if _wide(bounds) or not estimate.weights or estimate.possible is None:
        return bounds
    near = next((end for end in estimate.possible if not _wide((end, estimate.value))), None)
    return bounds if near is None else alike(near, estimate.effective_sample_size, estimate.possible, level)


def difference_with_width(one: Estimate, other: Estimate, bounds: Bounds, level: float) -> Bounds:
    """The interval of one estimate less another; where it has no width, from end to end of their own."""
    if _wide(bounds):
        return bounds
    (low, high), (least, most) = (with_width(e, (e.value, e.value), level) for e in (one, other))
    return low - most, high - least


def _wide(bounds: Bounds) -> bool:
    """Whether two numbers differ by more than rounding does."""
    return abs(bounds[1] - bounds[0]) > 1e-9 * max(1.0, abs(bounds[0]))
