"""The distribution of the return under the target policy: not only how good on average, but how bad at worst."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .estimates import Estimate
from .logged import Array, Logged, Mask, Numbers, array, logged
from .statistic import Statistic, Terms
from .weights import Weights, scale

Index = npt.NDArray[np.int64] | Mask

_ROUNDING = 1e-12  # by which a sum of shares may miss the probability that it is compared with


@dataclass(frozen=True, eq=False)
class ReturnDistribution:
    """Weighted distribution of the returns of N stays: each counted by the weight of its whole trajectory.

    The weights are normalised, so that the distribution function rises from 0 to 1. Chandak et al. (2021),
    "Universal off-policy evaluation", section 3, in its self-normalised form. Every number is an `Estimate`.
    """

    returns: Array  # (N,) discounted
    weight: Array  # (N,) scaled by the largest
    weights: Weights

    def cdf(self, points: Numbers) -> Array:
        """Probability (P,) of a return of at most each of `points` (P,)."""
        order = np.argsort(self.returns, kind="stable")
        mass = np.append(0.0, np.cumsum(self.weight[order]))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(mass[np.searchsorted(self.returns[order], array(points), side="right")] / mass[-1])

    def mean(self) -> Estimate:
        """The mean return: weighted importance sampling."""
        return self._ratio("mean return", self.returns)

    def probability(self, event: Numbers, name: str = "probability") -> Estimate:
        """Probability of something that did (True) or did not happen to each stay (N,): death in care, say."""
        happened = array(event)
        if happened.shape != self.returns.shape or not np.isin(happened, (0, 1)).all():
            raise ValueError(f"event: expected {self.returns.shape} of True or False, got shape {happened.shape}")
        return self._ratio(name, happened)

    def variance(self) -> Estimate:
        """Variance of the return between stays (not of an estimate)."""
        return self._statistic("variance", _Variance(self.returns, self.weight))

    def quantile(self, probability: float) -> Estimate:
        """Least return whose probability of not being exceeded is at least `probability`, between 0 and 1."""
        statistic = _Quantile(self.returns, self.weight, _share("probability", probability))
        return self._statistic(f"{probability:.3g} quantile", statistic)

    def cvar(self, share: float) -> Estimate:
        """Conditional value at risk: mean return of the worst `share` of stays, between 0 and 1."""
        statistic = _Tail(self.returns, self.weight, _share("share", share))
        return self._statistic(f"mean of the worst {share:.3g}", statistic)

    def _ratio(self, name: str, terms: Array) -> Estimate:
        num, den = (self.weight * terms)[:, None], self.weight[:, None]
        return Estimate(name, num, den, self_normalized=True, weights=(self.weights,))

    def _statistic(self, name: str, statistic: Statistic) -> Estimate:
        num, den = statistic.terms()
        return Estimate(name, num, den, self_normalized=True, weights=(self.weights,), statistic=statistic)


def distribution(
    reward: Numbers, log_ratio: Numbers, mask: Numbers, *, discount: float | Numbers = 1.0
) -> ReturnDistribution:
    """Weighted distribution of the discounted return; all arrays (N, T), see `logged`."""
    data: Logged = logged(reward, log_ratio, mask, discount)
    weight, _ = scale(data.log_total[:, None])
    return ReturnDistribution(data.returns, weight[:, 0], Weights.of(data))


@dataclass(frozen=True, eq=False)
class _Variance:
    returns: Array  # (N,)
    weight: Array  # (N,)
    smooth: bool = True

    def terms(self) -> Terms:
        with np.errstate(invalid="ignore", divide="ignore"):
            center = (self.weight @ self.returns) / self.weight.sum()
        return (self.weight * (self.returns - center) ** 2)[:, None], self.weight[:, None]

    def replicate(self, counts: Array) -> Array:
        centered = self.returns - self.returns.mean()  # against cancellation
        with np.errstate(invalid="ignore", divide="ignore"):
            total, first, second = (counts @ (self.weight * centered**k) for k in range(3))
            return np.asarray(second / total - (first / total) ** 2)

    def rows(self, index: Index) -> _Variance:
        return replace(self, returns=self.returns[index], weight=self.weight[index])


@dataclass(frozen=True, eq=False)
class _Quantile:
    returns: Array  # (N,)
    weight: Array  # (N,)
    probability: float
    smooth: bool = False  # its influence function holds the density at the quantile

    def terms(self) -> Terms:
        value = self.replicate(np.ones((1, len(self.returns))))[0]
        return (self.weight * value)[:, None], self.weight[:, None]

    def replicate(self, counts: Array) -> Array:
        order = np.argsort(self.returns, kind="stable")
        mass = np.cumsum(counts[:, order] * self.weight[order], 1)
        reached = (mass >= self.probability * mass[:, -1:] * (1 - _ROUNDING)) & (mass > 0)
        return np.where(mass[:, -1] > 0, self.returns[order][np.argmax(reached, 1)], np.nan)

    def rows(self, index: Index) -> _Quantile:
        return replace(self, returns=self.returns[index], weight=self.weight[index])


@dataclass(frozen=True, eq=False)
class _Tail:
    returns: Array  # (N,)
    weight: Array  # (N,)
    share: float
    smooth: bool = True

    def terms(self) -> Terms:
        """With q + min(G - q, 0) / share at the quantile q: Rockafellar & Uryasev (2000), theorem 1, lower tail."""
        edge = _Quantile(self.returns, self.weight, self.share).replicate(np.ones((1, len(self.returns))))[0]
        short = np.minimum(self.returns - edge, 0) / self.share
        return (self.weight * (edge + short))[:, None], self.weight[:, None]

    def replicate(self, counts: Array) -> Array:
        order = np.argsort(self.returns, kind="stable")
        mass = np.cumsum(counts[:, order] * self.weight[order], 1)
        within = np.minimum(mass, self.share * mass[:, -1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.diff(within, axis=1, prepend=0) @ self.returns[order] / within[:, -1])

    def rows(self, index: Index) -> _Tail:
        return replace(self, returns=self.returns[index], weight=self.weight[index])


def _share(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1, got {value}")
    return value
