"""The doubly robust estimator."""

from __future__ import annotations

import numpy as np

from .estimates import Estimate
from .logged import Array, Critic, Logged, Numbers, critic, logged
from .weights import Weights, bounded


def doubly_robust(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    q: Numbers,
    v: Numbers,
    *,
    discount: float | Numbers = 1.0,
) -> Estimate:
    """Mean of the critic's first value plus, at each decision, the weight times what the critic got wrong there.

    v_0 + sum_t g^t w_t (r_t + g v_{t+1} - q_t): the recursion of Jiang & Li (2016), equation 10, written out.
    Unbiased under a right behaviour policy whatever the critic; a good critic takes the variance away.
    `q` (N, T), `v` (N, T+1), see `critic`; the others (N, T), see `logged`.
    """
    data = logged(reward, log_ratio, mask, discount)
    judged = critic(q, v, data.mask)
    weight, one = bounded(data.log_weight)
    first = data.factor[:, :1] * judged.v[:, :1]
    num = one * first + (weight * surprise(data, judged)).sum(1, keepdims=True)
    return Estimate("doubly_robust", num, one, self_normalized=False, weights=(Weights.of(data),))


def surprise(data: Logged, judged: Critic) -> Array:
    """Discounted temporal difference g^t (r_t + g v_{t+1} - q_t) (N, T): zero in the mean where the critic is right."""
    following = np.hstack((data.factor[:, 1:], np.zeros((len(data.mask), 1)))) * judged.v[:, 1:]
    return data.reward + following - data.factor * judged.q
