"""Weighted (self-normalised) per-decision importance sampling."""

from __future__ import annotations

from .estimates import Estimate
from .logged import Numbers, logged
from .weights import Weights, scale


def weighted_per_decision_importance_sampling(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> Estimate:
    """Sum over decision times of the mean discounted reward at t, each stay counted by its weight up to t.

    At each t the weights of all stays are the denominator, a stay that has ended carrying its last weight: it truly
    earned nothing at t. All arrays (N, T), see `logged`. Thomas (2015), "Safe reinforcement learning", section 3.
    """
    data = logged(reward, log_ratio, mask, discount)
    weight, _ = scale(data.log_weight)
    return Estimate(
        "weighted_per_decision_importance_sampling",
        weight * data.reward,
        weight,
        self_normalized=True,
        weights=(Weights.of(data),),
    )
