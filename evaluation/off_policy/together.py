"""Estimators of the same stays, in one pass over them."""

from __future__ import annotations

from .doubly_robust import checked, first_value, surprise
from .estimates import Estimate
from .logged import Numbers, critic, shaped
from .one_pass import Sum, rewards, weighted_sums
from .weights import Weights


def per_decision_estimates(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    q: Numbers,
    v: Numbers,
    *,
    discount: float | Numbers = 1.0,
) -> dict[str, Estimate]:
    """`per_decision_importance_sampling` and `doubly_robust` by name: their own numbers, from weights made once.

    Arrays as in `doubly_robust`. Most of either is reading the arrays, which both read but once.
    """
    data = shaped(reward, log_ratio, mask, discount)
    judged = critic(q, v, data.mask)
    sums = {
        "per_decision_importance_sampling": Sum(rewards(data)),
        "doubly_robust": Sum(surprise(data, judged), first_value(data, judged)),
    }
    weights = (Weights.of(data),)
    totals = weighted_sums(data, list(sums.values()), checked(data, judged))
    return {
        name: Estimate(name, num, one, self_normalized=False, weights=weights)
        for name, (num, one) in zip(sums, totals, strict=True)
    }
