"""Weighted (self-normalised) importance sampling."""

from __future__ import annotations

from .estimates import Estimate
from .logged import Numbers, logged
from .weights import Weights, scale


def weighted_importance_sampling(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> Estimate:
    """Mean discounted return, each stay counted by the weight of its whole trajectory.

    Biased in small samples, consistent, within the range of the returns, and far steadier than the ordinary one.
    All arrays (N, T), see `logged`. Precup, Sutton & Singh (2000), equation 3.
    """
    data = logged(reward, log_ratio, mask, discount)
    weight, _ = scale(data.log_total[:, None])
    num = weight * data.returns[:, None]
    return Estimate("weighted_importance_sampling", num, weight, self_normalized=True, weights=(Weights.of(data),))
