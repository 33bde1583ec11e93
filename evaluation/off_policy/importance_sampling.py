"""Ordinary (whole-trajectory) importance sampling."""

from __future__ import annotations

from .estimates import Estimate
from .logged import Numbers, logged
from .weights import Weights, bounded


def importance_sampling(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> Estimate:
    """Mean over stays of the whole trajectory's weight times its discounted return.

    Unbiased under a right behaviour policy; its variance grows exponentially with the number of decisions.
    All arrays (N, T), see `logged`. Precup, Sutton & Singh (2000), equation 2.
    """
    data = logged(reward, log_ratio, mask, discount)
    weight, one = bounded(data.log_total[:, None])
    num = weight * data.returns[:, None]
    return Estimate("importance_sampling", num, one, self_normalized=False, weights=(Weights.of(data),))
