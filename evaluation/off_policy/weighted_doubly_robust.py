"""The weighted (self-normalised) doubly robust estimator."""

from __future__ import annotations

import numpy as np

from .doubly_robust import checked, first_value, surprise
from .estimates import Estimate
from .logged import Numbers, critic, shaped
from .one_pass import weighted_columns
from .weights import Weights


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
    data = shaped(reward, log_ratio, mask, discount)
    judged = critic(q, v, data.mask)
    check = checked(data, judged)
    num, den = np.empty((2, len(data.mask), data.mask.shape[1] + 1))
    num[:, 0], den[:, 0] = first_value(data, judged), 1.0
    if not np.isfinite(num[:, 0]).all():
        check()
    weighted_columns(data, surprise(data, judged), check, num[:, 1:], den[:, 1:])
    return Estimate("weighted_doubly_robust", num, den, self_normalized=True, weights=(Weights.of(data),))
