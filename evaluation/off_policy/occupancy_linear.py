"""State occupancy that is linear in features of the state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .estimates import Estimate
from .logged import Array, Logged, Mask
from .statistic import Statistic, Terms
from .weights import Weights, carried

_RIDGE = 1e-9  # of the flow matrix, as a share of its mean diagonal
_BLOCK = 2_000_000  # numbers of per-stay matrices held at once

LOSES_MODEL = "the ratio of state probabilities is fitted, and its own error is not in the interval"


def linear_occupancy(data: Logged, features: Array) -> Estimate:
    """Marginalised importance sampling with state ratios w(s) = phi(s)'a, phi the features (N, T, F) and a constant.

    a balances the flow of every feature f: E sum_t w_t (f_t - g ratio_t f_{t+1}) = E f_0, so that w is the discounted
    occupancy of the target over that of the behaviour where this is linear: the minimax weight learning of Uehara,
    Huang & Jiang (2020), section 4, for linear classes, on states with known action ratios as in Liu et al. (2018).
    Features of every time make it the tabular estimate. The system is solved anew in every resample.
    """
    flow = Flow(standard(features, data.mask), *steps(data))
    return occupancy_estimate(data, flow.ratio(), flow, LOSES_MODEL)


@dataclass(frozen=True, eq=False)
class Flow:
    """The balance of flow between states, as a statistic of N stays."""

    design: Array  # (N, T, P) features and a constant; 0 after the end
    onward: Array  # (N, T) discount times ratio of the action, by which the next state counts; 0 at the last decision
    earned: Array  # (N, T) ratio times reward, not discounted to admission
    first: Array  # (N,) discount of the first decision
    smooth: bool = False

    def solve(self, counts: Array) -> Array:
        """Coefficients a (R, P) of the state ratio."""
        size = self.design.shape[2]
        matrix, start = np.zeros((len(counts), size * size)), np.zeros((len(counts), size))
        for rows in self._blocks():
            design = self.design[rows]
            matrix += counts[:, rows] @ (np.swapaxes(self._outflow(rows), 1, 2) @ design).reshape(len(design), -1)
            start += counts[:, rows] @ (self.first[rows, None] * design[:, 0])
        square = matrix.reshape(-1, size, size)
        ridge = _RIDGE * np.abs(np.trace(square, axis1=1, axis2=2)) / size
        return np.asarray(np.linalg.solve(square + ridge[:, None, None] * np.eye(size), start[..., None])[..., 0])

    def ratio(self) -> Array:
        """The fitted discounted state ratio (N, T)."""
        return np.asarray(self.design @ self.solve(np.ones((1, len(self.design))))[0])

    def terms(self) -> Terms:
        """Each stay's weighted return, the ratio held."""
        return (self.ratio() * self.earned).sum(1, keepdims=True), np.ones((len(self.design), 1))

    def replicate(self, counts: Array) -> Array:
        """The value (R,), the ratio fitted anew."""
        gained = (np.swapaxes(self.design, 1, 2) @ self.earned[..., None])[..., 0]  # (N, P)
        return np.asarray((self.solve(counts) * (counts @ gained)).sum(1) / counts.sum(1))

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Flow:
        """The balance among some of the stays."""
        return Flow(self.design[index], self.onward[index], self.earned[index], self.first[index])

    def outflow(self) -> Array:
        """What leaves each state and does not arrive at the next, f_t - g ratio_t f_{t+1} (N, T, P)."""
        return self._outflow(slice(None))

    def _outflow(self, rows: slice) -> Array:
        design = self.design[rows]
        following = np.concatenate((design[:, 1:], np.zeros_like(design[:, :1])), 1)
        return np.asarray(design - self.onward[rows][..., None] * following)

    def _blocks(self) -> list[slice]:
        stays, _, size = self.design.shape
        step = max(1, _BLOCK // size**2)
        return [slice(start, start + step) for start in range(0, stays, step)]


def steps(data: Logged) -> tuple[Array, Array, Array]:
    """`onward`, `earned` (N, T) and `first` (N,) of logged stays, see `Flow`."""
    ratio = np.exp(data.log_ratio) * data.mask
    following = np.hstack((data.factor[:, 1:], np.zeros((len(ratio), 1))))
    positive = data.factor > 0
    onward = np.divide(following, data.factor, out=np.zeros_like(ratio), where=positive) * ratio
    return (
        onward,
        np.divide(data.reward, data.factor, out=np.zeros_like(ratio), where=positive) * ratio,
        data.factor[:, 0],
    )


def occupancy_estimate(data: Logged, ratio: Array, statistic: Statistic, *notes: str) -> Estimate:
    """The estimate of a fitted discounted state ratio (N, T); negative ratios count in the value, not as weight."""
    action = np.exp(data.log_ratio) * data.mask
    weight = np.divide(ratio, data.factor, out=np.zeros_like(ratio), where=data.factor > 0) * action
    negative = float(((weight < 0) & data.mask).sum() / max(1, data.mask.sum()))
    weight = np.maximum(weight, 0)
    num, den = statistic.terms()
    with np.errstate(divide="ignore"):
        weights = Weights(carried(np.log(weight), data.mask), data.mask)
    return Estimate(
        "marginalized_importance_sampling",
        num,
        den,
        self_normalized=True,
        weights=(weights,),
        statistic=statistic,
        model_based=True,
        notes=(*notes, *((f"{negative:.1%} of the fitted ratios are negative",) if negative > 0.5e-3 else ())),
    )


def standard(features: Array, mask: Mask) -> Array:
    """Features scaled to mean 0 and standard deviation 1 over decisions, beside a constant 1; 0 after the end."""
    known = features[mask]
    center, spread = known.mean(0), known.std(0)
    scaled = (features - center) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.concatenate((scaled, np.ones((*mask.shape, 1))), 2) * mask[..., None])
