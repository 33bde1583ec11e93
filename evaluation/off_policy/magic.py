"""MAGIC: a blend of the critic and the weighted doubly robust estimator, with the least estimated squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .estimates import Estimate, cluster_of
from .intervals import percentile
from .logged import Array, Mask, Numbers
from .resampling import Cluster, by_cluster, counts, product
from .simplex import least_square, root
from .statistic import Terms
from .weighted_doubly_robust import weighted_doubly_robust

_RESAMPLES = 200  # from which the interval of the full-length return is taken
_LEVEL = 0.9  # of that interval
_RIDGE = 1e-6  # partial returns may be all but equal: the blend must not hang on the rounding of Omega
_CRITIC = 0.05  # share of shorter returns from which the blend rests on the critic


def magic(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    q: Numbers,
    v: Numbers,
    *,
    cluster: Numbers | None = None,
    discount: float | Numbers = 1.0,
    seed: int = 0,
) -> Estimate:
    """sum_j x_j g^(j): partial returns that follow the weights up to decision j and the critic from there on.

    g^(j) = mean v_0 + sum_{t <= j} sum_i w_it g^t (r_it + g v_it+1 - q_it) / sum_i w_it, from j = -1, the critic
    alone, to the last, weighted doubly robust. x minimises x'(Omega + b b')x on the simplex: Omega is the covariance
    of the partial returns (linearised, since a denominator held fixed overstates it), b_j the distance of g^(j) from
    the 90 % percentile bootstrap interval of the last. Thomas & Brunskill (2016), algorithm 1. Unless x is all but
    the last alone the verdict is model-based, since the interval leaves the critic's bias out. Arrays as in
    `weighted_doubly_robust`; `cluster` (N,) groups the stays of one patient. In resamples the returns and b are new,
    Omega and the width of the interval are kept.
    """
    full = weighted_doubly_robust(reward, log_ratio, mask, q, v, discount=discount)
    groups = None if cluster is None else cluster_of(cluster, len(full))
    blend = Blended.of(full.num, full.den, groups, seed)
    num, den = blend.terms()
    critic = 1 - float(blend.shares(blend.partial(np.ones((1, len(full)))))[0, -1])
    return Estimate(
        "magic",
        num,
        den,
        self_normalized=True,
        weights=full.weights,
        statistic=blend,
        model_based=critic > _CRITIC,
        notes=(f"{critic:.0%} of the blend follow the critic from some decision on",),
    )


@dataclass(frozen=True, eq=False)
class Blended:
    """The blend as a statistic of N stays; column s holds the critic's first value, then each decision's correction."""

    num: Array  # (N, S)
    den: Array  # (N, S)
    cluster: Cluster | None
    spread: Array  # (S, S) a root of Omega: spread'spread is the covariance of the partial returns
    below: float  # from the full-length return down to the lower end of its interval
    above: float  # ... and up to the upper end
    seed: int
    smooth: bool = False

    @classmethod
    def of(cls, num: Array, den: Array, cluster: Cluster | None, seed: int) -> Blended:
        """Without the decisions from which no weight is left, and those after the longest stay's end."""
        longest = int(np.flatnonzero(np.append(True, num[:, 1:].any(0)))[-1]) + 1
        known = min(longest, int(np.minimum.accumulate(den.sum(0) > 0).sum()))
        num, den = num[:, :known], den[:, :known]
        own, under = by_cluster(num, cluster), by_cluster(den, cluster)
        totals = under.sum(0)
        value = own.sum(0) / totals
        influence = np.cumsum((own - value * under) / totals, 1)
        size = len(own)
        covariance = influence.T @ influence * size / max(1, size - 1)
        columns = np.hstack((own, under))
        columns = columns[_sorted(np.abs(columns))]  # the same resamples whatever the stays' order
        drawn = [_partial(product(block, columns))[:, -1] for block in counts(size, _RESAMPLES, seed)]
        low, high = percentile(np.concatenate(drawn), _LEVEL)
        last = float(value.sum())
        return cls(num, den, cluster, root(covariance), max(0.0, last - low), max(0.0, high - last), seed)

    def partial(self, counts: Array) -> Array:
        """Partial returns (R, S) of resamples; not finite where a resample has no weight left."""
        return _partial(counts @ self.columns())

    def shares(self, partial: Array) -> Array:
        """Shares x (R, S) for partial returns (R, S)."""
        low, high = partial[:, -1:] - self.below, partial[:, -1:] + self.above
        bias = np.nan_to_num(np.maximum(0, partial - high) + np.minimum(0, partial - low))
        return np.stack([least_square(np.vstack((self.spread, b)), _RIDGE) for b in bias])

    def terms(self) -> Terms:
        """Each correction counts by the shares of all returns that are long enough to hold it."""
        x = self.shares(self.partial(np.ones((1, len(self.num)))))[0]
        return self.num * np.cumsum(x[::-1])[::-1], self.den

    def columns(self) -> Array:
        """Numerators and denominators (N, 2S)."""
        return np.hstack((self.num, self.den))

    def combine(self, totals: Array) -> Array:
        """The value (R,) of their totals (R, 2S), blended anew."""
        partial = _partial(totals)
        return np.asarray((self.shares(partial) * partial).sum(1))

    def replicate(self, counts: Array) -> Array:
        """The value (R,), blended anew."""
        return self.combine(counts @ self.columns())

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Blended:
        """The blend of some of the stays, everything estimated anew."""
        groups = None if self.cluster is None else self.cluster[index]
        return Blended.of(self.num[index], self.den[index], groups, self.seed)


def _sorted(keys: Array) -> npt.NDArray[np.int64]:
    """`np.lexsort(keys.T)`: the order of rows (N, S) by their last column, ties by the one before, and so on."""
    last = keys[:, -1]
    order = np.argsort(last, kind="stable")
    same = last[order[1:]] == last[order[:-1]]
    tied = np.append(False, same) | np.append(same, False)  # places whose rows the last column leaves in doubt
    rows = np.sort(order[tied])
    order[tied] = rows[np.lexsort(keys[rows].T)]
    return order


def _partial(totals: Array) -> Array:
    num, den = np.split(totals, 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.cumsum(num / den, 1))
