"""The weighted (self-normalised) doubly robust estimator."""

from __future__ import annotations

import numpy as np

from .doubly_robust import surprise
from .estimates import Estimate
from .logged import Numbers, critic, logged
from .weights import Weights, scale


def weighted_doubly_robust(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    q: Numbers,
    v: Numbers,
    *,
    discount: float | Numbers = 1.0,
) -> Estimate:
    """As `doubly_robust`, the weights at each t divided by their mean over all stays, an ended stay carrying its last.

    mean v_0 + sum_t sum_i w_it g^t (r_it + g v_it+1 - q_it) / sum_i w_it. Thomas & Brunskill (2016), section 3, whose
    absorbing padding keeps every stay in every denominator. Arrays as in `doubly_robust`.
    """
    data = logged(reward, log_ratio, mask, discount)
    judged = critic(q, v, data.mask)
    weight, _ = scale(data.log_weight)
    first = data.factor[:, :1] * judged.v[:, :1]
    return Estimate(
        "weighted_doubly_robust",
        np.hstack((first, weight * surprise(data, judged))),
        np.hstack((np.ones_like(first), weight)),
        self_normalized=True,
        weights=(Weights.of(data),),
    )
