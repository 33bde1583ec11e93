"""Confidence intervals of a sum of ratios of totals over independent clusters.

Arrays `num`, `den` (K, S) hold one row per cluster. Every function returns (low, high) of two-sided `level`.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from .logged import Array, blocks
from .resampling import sum_of_ratios

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-np.inf, np.inf)  # the data say nothing


def percentile(replicates: Array, level: float) -> Bounds:
    """Bootstrap percentiles (Efron 1979) of `replicates` (R,).

    A replicate in which no stay kept any weight is undefined: it counts as lowest for the lower bound and as
    highest for the upper one, so that the interval grows instead of forgetting it.
    """
    tail = (1 - level) / 2
    return _quantile(replicates, tail, -np.inf), _quantile(replicates, 1 - tail, np.inf)


def normal(value: float, replicates: Array, level: float) -> Bounds:
    """Value plus and minus normal quantile times the standard deviation of the bootstrap `replicates` (R,)."""
    if len(replicates) < 2 or not np.isfinite(replicates).all():
        return UNBOUNDED
    return _around(value, float(stats.norm.ppf((1 + level) / 2)) * float(replicates.std(ddof=1)))


def delta(num: Array, den: Array, level: float) -> Bounds:
    """Value plus and minus normal quantile times the linearised standard error (delta method)."""
    return _around(*_linearised(num, den, float(stats.norm.ppf((1 + level) / 2))))


def student_t(num: Array, den: Array, level: float) -> Bounds:
    """As `delta` with the quantile of Student's t on K - 1 degrees of freedom; exact for a normal mean."""
    if len(num) < 2:
        return UNBOUNDED
    return _around(*_linearised(num, den, float(stats.t.ppf((1 + level) / 2, len(num) - 1))))


def bias_corrected(value: float, left_out: Array, replicates: Array, level: float) -> Bounds:
    """Bias-corrected and accelerated bootstrap (Efron 1987, equations 2.3 and 6.6).

    `left_out` (K,) is the estimate without each cluster, or group of clusters, in turn.
    """
    if not (np.isfinite(left_out).all() and np.isfinite(replicates).all()):
        return UNBOUNDED
    gap = left_out.mean() - left_out
    spread = float((gap**2).sum())
    if spread == 0:
        return percentile(replicates, level)
    acceleration = float((gap**3).sum()) / (6 * spread**1.5)
    ties = np.isclose(replicates, value, rtol=1e-9, atol=1e-9 * float(replicates.std()))
    below = float(((replicates < value) & ~ties).mean() + ties.mean() / 2)
    edge = 1 / (len(replicates) + 1)
    bias = float(stats.norm.ppf(np.clip(below, edge, 1 - edge)))
    z = bias + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = stats.norm.cdf(bias + z / np.maximum(1 - acceleration * z, 1e-9))
    return float(np.quantile(replicates, low)), float(np.quantile(replicates, high))


def standard_error(num: Array, den: Array) -> float:
    """Linearised standard error, with the K / (K - 1) correction; for equal denominators that of the mean."""
    clusters, totals = len(num), den.sum(0)
    if clusters < 2:
        return float("inf")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = num.sum(0) / totals
        influence = np.concatenate([((num[i] - ratio * den[i]) / totals).sum(1) for i in blocks(*num.shape)])
    return float(np.sqrt(clusters / (clusters - 1) * (influence**2).sum()))


def widened(bounds: Bounds, error: float, more: float) -> Bounds:
    """Bounds made for a standard `error`, as wide as for that and another independent one, `more`, together."""
    low, high = bounds
    if more == 0:
        return bounds
    if error == 0 or not np.isfinite([low, high, more]).all():
        return UNBOUNDED
    return _around((low + high) / 2, (high - low) / 2 * float(np.hypot(error, more)) / error)


def _linearised(num: Array, den: Array, quantile: float) -> tuple[float, float]:
    return float(sum_of_ratios(num.sum(0), den.sum(0))), quantile * standard_error(num, den)


def _around(value: float, half: float) -> Bounds:
    return (value - half, value + half) if np.isfinite(value) and np.isfinite(half) else UNBOUNDED


def _quantile(replicates: Array, probability: float, undefined: float) -> float:
    ordered = np.sort(np.where(np.isfinite(replicates), replicates, undefined))
    place = probability * (len(ordered) - 1)
    below, above = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
    if not (np.isfinite(below) and np.isfinite(above)):
        return undefined
    return float(below + (above - below) * (place - np.floor(place)))
