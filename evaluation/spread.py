"""How simulated stays differ under a policy: quantiles, deviation and deaths, with intervals in closed form."""

from __future__ import annotations

import numpy as np
from scipy import stats

from .off_policy.logged import Array

Bounds = tuple[float, float, float]  # value, low, high


def quantile(returns: Array, probability: float, *, level: float = 0.95) -> Bounds:
    """Least of `returns` (N,) that a share `probability` of them does not exceed, between two order statistics.

    The interval holds whatever the distribution: Conover (1999), "Practical nonparametric statistics", section 3.2.
    """
    ordered, stays = np.sort(returns), len(returns)
    tail = (1 - level) / 2
    first, last = (float(stats.binom.ppf(p, stays, probability)) for p in (tail, 1 - tail))
    at = np.array([np.ceil(probability * stays - 1e-9) - 1, first - 1, last], dtype=np.int64)
    value, low, high = (float(x) for x in ordered[np.clip(at, 0, stays - 1)])
    return value, low, high


def deviation(returns: Array, *, level: float = 0.95) -> Bounds:
    """Standard deviation of `returns` (N,), its variance within a normal interval from the fourth moment."""
    centered = returns - returns.mean()
    variance, fourth = float((centered**2).mean()), float((centered**4).mean())
    half = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt(max(fourth - variance**2, 0.0) / len(returns))
    return np.sqrt(variance), np.sqrt(max(variance - half, 0.0)), np.sqrt(variance + half)


def share(happened: Array, *, level: float = 0.95) -> Bounds:
    """Share of stays (N,) bool to which something happened, with exact bounds: Clopper & Pearson (1934)."""
    count, stays, tail = int(happened.sum()), len(happened), (1 - level) / 2
    low = float(stats.beta.ppf(tail, count, stays - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, stays - count)) if count < stays else 1.0
    return count / stays, low, high
