"""The doubly robust estimator."""

from __future__ import annotations

from .estimates import Estimate
from .logged import Array, Critic, Logged, Numbers, critic, logged
from .weights import Weights, weighted_sums

_EVERY = slice(None)


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
    first = data.factor[:, :1] * judged.v[:, :1]
    corrections, one = weighted_sums(data.log_weight, lambda stays: surprise(data, judged, stays))
    num = one * first + corrections
    return Estimate("doubly_robust", num, one, self_normalized=False, weights=(Weights.of(data),))


def surprise(data: Logged, judged: Critic, stays: slice = _EVERY) -> Array:
    """Discounted temporal difference g^t (r_t + g v_{t+1} - q_t) (N, T): zero in the mean where the critic is right."""
    factor = data.factor[stays]
    found = data.earned[stays] - judged.q[stays]
    found *= factor
    found[:, :-1] += factor[:, 1:] * judged.v[stays, 1:]  # the value after the last decision is 0
    return found
