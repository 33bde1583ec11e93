"""State occupancy by counting, for whole-number states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .estimates import Estimate
from .logged import Array, Logged, Mask
from .statistic import Terms
from .weights import Weights, carried

Index = npt.NDArray[np.int64]


def tabular_occupancy(data: Logged, state: Array) -> Estimate:
    """Marginalised importance sampling from the counts of states (N, T), whole numbers at each decision time.

    d_{t+1}(s') = sum_s d_t(s) P_t(s' | s), where P_t is the share of stays in s that went to s', each counted by the
    ratio of its action; value = sum_t sum_s d_t(s) r_t(s). Xie, Ma & Wang (2019), section 3, ratios normalised within
    each state; the end is a state of its own. Where nobody followed the policy any more, its course is continued
    from the other states, and the share lost is in the notes. Resamples recount everything.
    """
    whole = np.where(data.mask, state, -1)  # -1: ended
    if (whole != np.floor(whole)).any():
        row, column = np.argwhere(whole != np.floor(whole))[0]
        raise ValueError(f"state: got {state[row, column]} at stay {row}, decision {column}; expected whole numbers")
    counting = Counting(data, whole.astype(np.int64))
    weight, lost = counting.weights()
    num, den = counting.terms()
    with np.errstate(divide="ignore"):
        weights = Weights(carried(np.log(weight), data.mask), data.mask)
    note = () if lost < 0.5e-3 else (f"{lost:.1%} of the policy's course leads to states where nobody followed it",)
    return Estimate(
        "marginalized_importance_sampling",
        num,
        den,
        self_normalized=True,
        weights=(weights,),
        statistic=counting,
        notes=("assumes that the state says all that the future depends on", *note),
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """Decision time t of all stays, by state and by transition."""

    transition: sparse.csr_matrix  # (P, N) ratio of each stay, in the row of its transition
    reward: sparse.csr_matrix  # (S, N) ratio times discounted reward of each stay, in the row of its state
    origin: Index  # (P,) state in which each transition starts
    goal: Index  # (P,) state, numbered as at t + 1, in which it ends


@dataclass(frozen=True, eq=False)
class Counting:
    """The estimate as a statistic: occupancy carried forward over the decision times."""

    data: Logged
    state: Index  # (N, T); -1 after the end
    smooth: bool = False

    def terms(self) -> Terms:
        """Each stay's weighted return, the weights held."""
        return (self.weights()[0] * self.data.reward).sum(1, keepdims=True), np.ones((len(self.state), 1))

    def replicate(self, counts: Array) -> Array:
        """The value (R,), everything counted anew."""
        spread = self._first(counts)
        value = np.zeros(len(counts))
        for column in self._columns():
            flow, pull, _ = _ahead(column, spread, counts)
            value += (pull * np.asarray((column.reward @ counts.T).T)).sum(1)
            spread = flow
        return value

    def weights(self) -> tuple[Array, float]:
        """Ratio of state and action probabilities (N, T), its mean 1 at each time, and the largest share lost."""
        once = np.ones((1, len(self.state)))
        spread, lost = self._first(once), 0.0
        found = np.zeros(self.state.shape)
        for t, column in enumerate(self._columns()):
            spread, pull, gone = _ahead(column, spread, once)
            found[:, t] = _ratio(self.data, t) * pull[0, _numbered(self.state[:, t])[1]] * len(self.state)
            lost = max(lost, float(gone[0]))
        return found, lost

    def rows(self, index: Index | Mask) -> Counting:
        """The estimate from some of the stays."""
        return Counting(self.data.rows(index), self.state[index])

    def _first(self, counts: Array) -> Array:
        names, number = _numbered(self.state[:, 0])
        return np.asarray(counts @ np.eye(len(names))[number] / counts.sum(1, keepdims=True))

    def _columns(self) -> list[_Column]:
        stays, decisions = self.state.shape
        following = np.hstack((self.state[:, 1:], np.full((stays, 1), -1)))
        return [_column(self.data, t, self.state[:, t], following[:, t]) for t in range(decisions)]


def _ahead(column: _Column, spread: Array, counts: Array) -> tuple[Array, Array, Array]:
    """Occupancy (R, S') one decision later, weight per unit of ratio (R, S) in each state, and the share lost (R,)."""
    moved = np.asarray((column.transition @ counts.T).T)  # (R, P)
    start = np.eye(spread.shape[1])[column.origin]
    here = moved @ start  # (R, S) weight of those who are in each state
    kept = np.where(here > 0, spread, 0).sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.where(here > 0, spread / here, 0) / kept
    goal = np.eye(int(column.goal.max()) + 1)[column.goal]
    return (pull[:, column.origin] * moved) @ goal, pull, spread.sum(1) - kept[:, 0]


def _column(data: Logged, t: int, state: Index, following: Index) -> _Column:
    stays = len(state)
    names, here = _numbered(state)
    goals, there = _numbered(following)
    pairs, which = np.unique(here * len(goals) + there, return_inverse=True)
    ratio = _ratio(data, t)
    each = np.arange(stays)
    return _Column(
        sparse.csr_matrix((ratio, (which, each)), (len(pairs), stays)),
        sparse.csr_matrix((ratio * data.reward[:, t], (here, each)), (len(names), stays)),
        pairs // len(goals),
        pairs % len(goals),
    )


def _ratio(data: Logged, t: int) -> Array:
    """Ratio of each stay's action at t (N,), up to a common factor, which the normalisation takes out."""
    log = data.log_ratio[:, t]
    top = float(log.max())
    return np.asarray(np.exp(log - (top if np.isfinite(top) else 0.0)))


def _numbered(state: Index) -> tuple[Index, Index]:
    names, number = np.unique(state, return_inverse=True)
    return names, number.astype(np.int64)
