"""Per-decision importance sampling."""

from __future__ import annotations

from .estimates import Estimate
from .logged import Numbers, shaped
from .one_pass import Sum, rewards, weighted_sums
from .weights import Weights


def per_decision_importance_sampling(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> Estimate:
    """Mean over stays of the sum of weight up to and including decision t times the discounted reward of t.

    Unbiased under a right behaviour policy; what happens after a reward no longer adds to its variance.
    All arrays (N, T), see `logged`. Precup, Sutton & Singh (2000), equation 5.
    """
    data = shaped(reward, log_ratio, mask, discount)
    [(num, one)] = weighted_sums(data, [Sum(rewards(data))], data.check)
    return Estimate("per_decision_importance_sampling", num, one, self_normalized=False, weights=(Weights.of(data),))
