"""How bad the worst stays are: the conditional value at risk of returns that were simulated, with its interval."""

from __future__ import annotations

import numpy as np

from .off_policy.distribution import distribution
from .off_policy.logged import Array

WORST = 0.1  # the share of stays that a report tells of


def worst_mean(
    returns: Array, share: float = WORST, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Mean return of the worst `share` of stays, low and high, from each stay's return (N,).

    The lower tail of Rockafellar & Uryasev (2000), resampled by stay. ValueError for a share outside 0..1.
    """
    alone = np.asarray(returns, dtype=np.float64)[:, None]
    found = distribution(alone, np.zeros_like(alone), np.ones(alone.shape, dtype=bool)).cvar(share)
    low, high = found.interval(level, seed=seed)
    return found.value, low, high
