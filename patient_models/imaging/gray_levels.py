"""From intensities to grey levels 1..G: what texture features count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fixed_width(values: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """Levels from 1 in bins of `width`, whose edges are multiples of it (IBSI 2.7.2, with a bin origin of 0).

    ValueError unless the width is positive.
    """
    if not width > 0:
        raise ValueError(f"expected a positive bin width, got {width}")
    bins = np.floor(values / width).astype(np.int64)
    return bins - bins.min() + 1 if len(bins) else bins


def fixed_count(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Levels 1..`count` in equal bins from the least to the greatest value (IBSI 2.7.1).

    ValueError unless the count is positive.
    """
    if count < 1:
        raise ValueError(f"expected at least one bin, got {count}")
    edges = np.histogram_bin_edges(values, count)
    return np.minimum(np.searchsorted(edges, values, side="right"), count).astype(np.int64)
