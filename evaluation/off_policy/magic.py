"""MAGIC: the blend of partial-horizon doubly robust returns with the least estimated error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from .estimates import Estimate, cluster_of
from .logged import Array, Mask, Numbers
from .resampling import Cluster, by_cluster, counts
from .statistic import Terms
from .weighted_doubly_robust import weighted_doubly_robust

_DRAWS = 400  # resamples behind the covariance of the partial returns
_TAIL = 0.05  # on either side of the interval of the full return: a partial return beyond it is biased by the gap


def magic(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    q: Numbers,
    v: Numbers,
    *,
    discount: float | Numbers = 1.0,
    cluster: Numbers | None = None,
) -> Estimate:
    """x'g, where g_j trusts the data for j decisions and the critic from there on; x minimises x'(S + b b')x.

    g_0 is the direct method, g_T the weighted doubly robust estimate; S is their bootstrapped covariance, b_j the
    distance of g_j from the bootstrap interval of g_T, x >= 0 sums to one. Thomas & Brunskill (2016), section 6.
    In resamples the blend is chosen anew, with S and the interval's width held. `cluster` (N,) are the patients;
    arrays as in `doubly_robust`.
    """
    full = weighted_doubly_robust(reward, log_ratio, mask, q, v, discount=discount)
    patients = None if cluster is None else cluster_of(cluster, len(full))
    blend = _fit(full.num, full.den, patients)
    num, den = blend.terms()
    return replace(full, name="magic", num=num, den=den, statistic=blend, cluster=patients)


@dataclass(frozen=True, eq=False)
class Errors:
    """What is known of the partial returns' errors."""

    covariance: Array  # (T+1, T+1)
    below: float  # from the full return down to the lower end of its interval, >= 0
    above: float  # and up to the upper end


@dataclass(frozen=True, eq=False)
class Blended:
    """MAGIC as a statistic of N stays: the columns of the weighted doubly robust estimate, and their errors."""

    num: Array  # (N, T+1)
    den: Array  # (N, T+1)
    errors: Errors
    smooth: bool = False

    def partial(self, counts: Array) -> Array:
        """Partial-horizon returns (R, T+1): the direct method first, the weighted doubly robust estimate last."""
        return _partial(counts @ self.num, counts @ self.den)

    def terms(self) -> Terms:
        """The columns of the full return, each times the shares of the returns that reach it."""
        share = _blends(self.partial(np.ones((1, len(self.num)))), self.errors)[0]
        return self.num * np.cumsum(share[::-1])[::-1], self.den

    def replicate(self, counts: Array) -> Array:
        """The blend's value (R,), chosen for each resample; not a number where no weight is left."""
        returns = self.partial(counts)
        shares = _blends(returns, self.errors)
        return np.asarray((shares * np.where(shares > 0, returns, 0.0)).sum(1))

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Blended:
        """The blend of some stays, under the errors of them all."""
        return replace(self, num=self.num[index], den=self.den[index])


def _partial(num: Array, den: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.cumsum(num / den, -1))


def _fit(num: Array, den: Array, patients: Cluster | None) -> Blended:
    """Covariance and interval from resampled patients, whom we order by what they hold, not by where they stand."""
    theirs, weights = by_cluster(num, patients), by_cluster(den, patients)
    order = np.lexsort((weights[:, -1], np.abs(theirs.sum(1))))  # the same for rewards of the other sign
    both = np.hstack((theirs, weights))[order]
    totals = np.concatenate([block @ both for block in counts(len(both), _DRAWS, 0)])
    drawn = _partial(*np.split(totals, 2, axis=1))
    known = drawn[np.isfinite(drawn).all(1)]
    value = float(_partial(num.sum(0), den.sum(0))[-1])
    if len(known) < 2 or not np.isfinite(value):
        return Blended(num, den, Errors(np.zeros((num.shape[1],) * 2), 0.0, 0.0))
    low, high = np.quantile(known[:, -1], (_TAIL, 1 - _TAIL))
    return Blended(num, den, Errors(np.cov(known, rowvar=False), max(0.0, value - low), max(0.0, high - value)))


def _blends(returns: Array, errors: Errors) -> Array:
    """Shares (R, T+1) of each row of partial returns; a row without a full return keeps that, which is undefined."""
    full = returns[:, -1:]
    bias = np.maximum(returns - full - errors.above, 0) + np.minimum(returns - full + errors.below, 0)
    shares = np.zeros(returns.shape)
    for row, gap in enumerate(bias):
        if np.isfinite(gap).all():
            shares[row] = _least(errors.covariance + np.outer(gap, gap))
        else:
            shares[row, -1] = 1
    return shares


def _least(matrix: Array) -> Array:
    """Shares x >= 0 summing to one that minimise x'Ax, A (J, J) positive semidefinite; ties go to the last.

    The least-squares problem |A^(1/2) y|^2 + (1'y - 1)^2 over y >= 0 has its solution at y = x / (1 + x'Ax).
    """
    size = len(matrix)
    values, vectors = np.linalg.eigh(matrix[::-1, ::-1] / max(float(np.trace(matrix)), 1e-300))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    y, _ = nnls(np.vstack((root, np.ones(size))), np.append(np.zeros(size), 1.0))
    return np.asarray(y[::-1] / y.sum())
