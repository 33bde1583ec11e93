"""Intervals that hold for every distribution within a known range, at any sample size."""

from __future__ import annotations

import numpy as np

from .logged import Array
from .resampling import Cluster, by_cluster

Range = tuple[float, float]


def hoeffding(terms: Array, cluster: Cluster | None, value_range: Range, level: float) -> tuple[float, float]:
    """Mean of `terms` (N,) within `value_range` plus and minus Hoeffding's (1963, theorem 2) two-sided bound.

    The half-width (high - low) sqrt(log(2 / (1 - level)) / 2n), where the stays of one patient move together:
    the ranges of the patients' shares of the mean are squared and summed. ValueError for a term out of range.
    """
    low, high = _checked(terms, value_range)
    shares = by_cluster(np.full((len(terms), 1), (high - low) / len(terms)), cluster)
    half = float(np.sqrt(np.log(2 / (1 - level)) / 2 * (shares**2).sum()))
    return float(terms.mean()) - half, float(terms.mean()) + half


def empirical_bernstein(terms: Array, cluster: Cluster | None, value_range: Range, level: float) -> Range:
    """Mean of `terms` (N,) plus and minus the bound of Maurer & Pontil (2009, theorem 4), half the error each side.

    The half-width sqrt(2 V log(4 / (1 - level)) / n) + 7 (high - low) log(4 / (1 - level)) / (3 (n - 1)), V the
    sample variance of n patients' shares. ValueError for a term out of range or fewer than two patients.
    """
    low, high = _checked(terms, value_range)
    sizes = by_cluster(np.ones((len(terms), 1)), cluster)[:, 0]
    n = len(sizes)
    if n < 2:
        raise ValueError("empirical Bernstein: expected at least two patients, got one; use hoeffding")
    scaled = by_cluster(terms[:, None], cluster)[:, 0] * n / len(terms)  # their mean is the mean over stays
    ends = np.outer(sizes * n / len(terms), (low, high))
    log = np.log(4 / (1 - level))
    width = float(ends.max() - ends.min())
    half = float(np.sqrt(2 * scaled.var(ddof=1) * log / n) + 7 * width * log / (3 * (n - 1)))
    return float(terms.mean()) - half, float(terms.mean()) + half


def _checked(terms: Array, value_range: Range) -> Range:
    low, high = value_range
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"value_range: expected finite (low, high) with low <= high, got {value_range}")
    outside = (terms < low) | (terms > high) | np.isnan(terms)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"value_range: expected every weighted term within {value_range}, got {terms[row]} at stay {row}; "
            "the range must hold for every possible stay, not only for those observed"
        )
    return low, high
