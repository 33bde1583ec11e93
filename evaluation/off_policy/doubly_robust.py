"""The doubly robust estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from .estimates import Estimate
from .logged import Array, Critic, Logged, Numbers, critic, shaped
from .one_pass import Sum, Terms, upto, weighted_sums
from .weights import Weights


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
    data = shaped(reward, log_ratio, mask, discount)
    judged = critic(q, v, data.mask)
    found = Sum(surprise(data, judged), first_value(data, judged))
    [(num, one)] = weighted_sums(data, [found], checked(data, judged))
    return Estimate("doubly_robust", num, one, self_normalized=False, weights=(Weights.of(data),))


def checked(data: Logged, judged: Critic) -> Callable[[], None]:
    """What raises ValueError for input that is no number."""

    def check() -> None:
        data.check()
        judged.check()

    return check


def first_value(data: Logged, judged: Critic) -> Array:
    """The critic's value (N,) of the state at admission, discounted; 0 for a stay without decisions."""
    first = judged.v[:, 0] if data.full else np.where(data.mask[:, 0], judged.v[:, 0], 0.0)
    return first if isinstance(data.discount, float) else first * data.discount[:, 0]


def surprise(data: Logged, judged: Critic) -> Terms:
    """Temporal difference r_t + g v_{t+1} - q_t, the value after the last decision being 0.

    Zero in the mean where the critic is right. Where stays have factors f of their own, f_t (r_t - q_t) + f_{t+1}
    v_{t+1}.
    """

    def terms(room: Tensor) -> Iterator[Tensor]:
        parts = (data.given_reward, judged.q, judged.v[:, 1:-1])
        blocks = (torch.from_numpy(part).split(data.block) for part in parts)
        masks = repeat(None) if data.full else torch.from_numpy(data.mask[:, 1:]).split(data.block)
        own = repeat(None) if isinstance(data.discount, float) else torch.from_numpy(data.discount).split(data.block)
        before_last, single = room[:, :-1], data.discount if isinstance(data.discount, float) else 1.0
        for earned, q, after, mask, factor in zip(*blocks, masks, own, strict=False):
            found, early = upto(room, q), upto(before_last, q)
            torch.sub(earned, q, out=found)
            later = after if mask is None else after.masked_fill(~mask, 0)
            if factor is None:
                early.add_(later, alpha=single)
            else:
                found.mul_(factor)
                early.addcmul_(factor[:, 1:], later)
            yield found

    return terms
