"""Searching in many sorted slices at once: events are sorted by subject and time, and each stay has a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def bisect(values: Ints, low: Ints, high: Ints, target: Ints) -> Ints:
    """First index i in low..high with values[i] >= target, for each query at once; `high` where there is none.

    values (E,) rises within each slice low[q]:high[q]; low, high and target are (Q,).
    """
    low, high = low.copy(), high.copy()
    while (active := low < high).any():
        middle = (low + high) // 2
        below = active & (values[np.minimum(middle, len(values) - 1)] < target)
        low = np.where(below, middle + 1, low)
        high = np.where(active & ~below, middle, high)
    return low


def expand(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All (q, i) with low[q] <= i < high[q], as two arrays (sum of the lengths,), in order."""
    length = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(low)), length)
    first = np.repeat(low - (np.cumsum(length) - length), length)
    return owner, first + np.arange(len(owner))
