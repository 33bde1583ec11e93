"""Weighted (self-normalised) per-decision importance sampling."""

from __future__ import annotations

import numpy as np

from .estimates import Estimate
from .logged import Numbers, shaped
from .one_pass import rewards, weighted_columns
from .weights import Weights


def weighted_per_decision_importance_sampling(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> Estimate:
    """Sum over decision times of the mean discounted reward at t, each stay counted by its weight up to t.

    At each t the weights of all stays are the denominator, a stay that has ended carrying its last weight: it truly
    earned nothing at t. All arrays (N, T), see `logged`. Thomas (2015), "Safe reinforcement learning", section 3.
    """
    data = shaped(reward, log_ratio, mask, discount)
    num, den = np.empty((2, *data.mask.shape))
    weighted_columns(data, rewards(data), data.check, num, den)
    return Estimate(
        "weighted_per_decision_importance_sampling", num, den, self_normalized=True, weights=(Weights.of(data),)
    )
