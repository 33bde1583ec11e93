"""Three problems with exact answers, on which intervals and verdicts are calibrated: two to choose by, one to confirm.

In each the target moves away from the behaviour by `far`, and a critic of the target's value comes along that is
consistent (v the target's mean of q) and somewhat wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ...evaluation.off_policy.logged import Array, Mask

Range = tuple[float, float]
Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Cohort:
    """N stays under the behaviour policy, as estimators read them."""

    reward: Array  # (N, T)
    log_ratio: Array  # (N, T)
    mask: Mask  # (N, T)
    q: Array  # (N, T)
    v: Array  # (N, T+1)

    def rows(self, index: slice) -> Cohort:
        """Some of the stays."""
        return Cohort(*(part[index] for part in vars(self).values()))


@dataclass(frozen=True)
class Problem:
    """How cohorts are drawn, what the target is truly worth, and within which range weighted terms lie."""

    draw: Callable[[Random, int, float], Cohort]
    truth: Callable[[float], float]
    ranges: Callable[[float], Mapping[str, Range]]  # of the terms of ordinary estimators; none where unbounded
    distances: tuple[float, ...]


@cache
def _dose_tables(far: float) -> tuple[Array, Array, Array]:
    tables = np.random.default_rng(1)
    usual, quality = 0.95 * tables.dirichlet(np.full(25, 0.5)) + 0.002, tables.normal(size=25)
    wanted = usual * np.exp(far * quality)
    return usual, wanted / wanted.sum(), quality


def draw_doses(rng: Random, stays: int, far: float) -> Cohort:
    """Twenty-five actions, 4 to 18 decisions; whether a patient survives depends on the quality of all actions."""
    usual, wanted, quality = _dose_tables(far)
    length = rng.integers(4, 19, stays)
    mask = np.arange(18) < length[:, None]
    action = np.searchsorted(np.cumsum(usual)[:-1], rng.random((stays, 18)))
    gained = np.where(mask, quality[action], 0).cumsum(1)
    reward = np.zeros(mask.shape)
    reward[np.arange(stays), length - 1] = rng.random(stays) < _sigmoid(1 + gained[:, -1] / 6)
    left = (length[:, None] - np.arange(19)) * (wanted @ quality)
    v = 0.72 + 0.03 * (np.hstack((np.zeros((stays, 1)), gained)) + left)  # linear where the truth is a sigmoid
    q = 0.72 + 0.03 * (gained + left[:, 1:])
    return Cohort(reward, np.log(wanted / usual)[action], mask, np.where(mask, q, 0), np.where(left != 0, v, 0))


@cache
def doses_truth(far: float) -> float:
    """By the distribution of the summed quality: its grid of 0.005 moves no value by more than 1e-6."""
    _, wanted, quality = _dose_tables(far)
    step, size = 0.005, 2**15
    place = quality / step
    below = np.floor(place).astype(int)
    density = np.zeros(size)  # a negative sum wraps around
    np.add.at(density, below % size, wanted * (1 - (place - below)))
    np.add.at(density, (below + 1) % size, wanted * (place - below))
    total = np.fft.fftfreq(size, 1 / size) * step
    wave = np.fft.fft(density)
    chances = [float(np.fft.ifft(wave**length).real @ _sigmoid(1 + total / 6)) for length in range(4, 19)]
    return float(np.mean(chances))


def doses_ranges(far: float) -> Mapping[str, Range]:
    """One reward of 0 or 1, at most at the largest weight."""
    usual, wanted, _ = _dose_tables(far)
    most = float((wanted / usual).max()) ** 18
    return {"importance_sampling": (0, most), "per_decision_importance_sampling": (0, most)}


def draw_gaussian(rng: Random, stays: int, far: float) -> Cohort:
    """Twelve normal doses, the target's mean shifted; the return saturates and is noisy."""
    dose = rng.normal(size=(stays, 12))
    gained = dose.cumsum(1)
    reward = np.zeros(dose.shape)
    reward[:, -1] = np.tanh(gained[:, -1] / 3) + 0.3 * rng.normal(size=stays)
    left = far * (12 - np.arange(13))
    v = 0.2 * (np.hstack((np.zeros((stays, 1)), gained)) + left)
    v[:, -1] = 0
    return Cohort(reward, far * dose - far**2 / 2, np.ones(dose.shape, bool), 0.2 * (gained + left[1:]), v)


def gaussian_truth(far: float) -> float:
    """E tanh(X / 3) of X ~ N(12 far, 12) by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(weights @ np.tanh((12 * far + np.sqrt(12) * nodes) / 3) / weights.sum())


_USUAL = np.array([0.2, 0.35])  # probability of the drug in each state
_WORSE = np.array([0.4, 0.7])  # probability of the better state next, without and with the drug


def _chain_wanted(far: float) -> Array:
    return np.clip(_USUAL + far * np.array([-0.18, 0.6]), 0, 1)


@cache
def _chain_values(far: float) -> tuple[Array, Array]:
    """Exact q (10, 2, 2) of state and drug, and v (11, 2), by dynamic programming."""
    wanted = _chain_wanted(far)
    dying = np.array([[0.03, 0.03], [0.12, 0.03]])
    q, v = np.zeros((10, 2, 2)), np.zeros((11, 2))
    for t in reversed(range(10)):
        for drug in (0, 1):
            ahead = _WORSE[drug] * v[t + 1, 0] + (1 - _WORSE[drug]) * v[t + 1, 1]
            q[t, :, drug] = 0.05 * (1 - drug) - dying[:, drug] + (1 - dying[:, drug]) * ahead
        v[t] = (1 - wanted) * q[t, :, 0] + wanted * q[t, :, 1]
    return q, v


def draw_chain(rng: Random, stays: int, far: float) -> Cohort:
    """Two states, two actions, ten decisions; the drug costs a little and prevents deaths in the worse state."""
    wanted = _chain_wanted(far)
    exact_q, exact_v = _chain_values(far)
    state, alive = rng.integers(0, 2, stays), np.ones(stays, bool)
    found = Cohort(
        reward=np.zeros((stays, 10)),
        log_ratio=np.zeros((stays, 10)),
        mask=np.zeros((stays, 10), bool),
        q=np.zeros((stays, 10)),
        v=np.zeros((stays, 11)),
    )
    with np.errstate(divide="ignore"):
        log_ratio = np.log(np.stack(((1 - wanted) / (1 - _USUAL), wanted / _USUAL), 1))
    for t in range(10):
        drug = (rng.random(stays) < _USUAL[state]).astype(int)
        dies = rng.random(stays) < np.where((state == 1) & (drug == 0), 0.12, 0.03)
        found.mask[:, t], found.reward[:, t] = alive, alive * (0.05 * (drug == 0) - dies)
        found.log_ratio[:, t] = np.where(alive, log_ratio[state, drug], 0)
        found.q[:, t], found.v[:, t] = alive * (exact_q[t, state, drug] + 0.1), alive * (exact_v[t, state] + 0.1)
        alive = alive & ~dies
        state = (rng.random(stays) >= _WORSE[drug]).astype(int)
    return found


def chain_truth(far: float) -> float:
    """Both states are equally likely at first."""
    return float(_chain_values(far)[1][0].mean())


def chain_ranges(far: float) -> Mapping[str, Range]:
    """At most one death, at most .05 a decision, at the largest weights."""
    wanted = _chain_wanted(far)
    most = float(np.maximum(wanted / _USUAL, (1 - wanted) / (1 - _USUAL)).max()) ** np.arange(1, 11)
    return {
        "importance_sampling": (-most[-1], 0.5 * most[-1]),
        "per_decision_importance_sampling": (-most[-1], 0.05 * most.sum()),
    }


def _sigmoid(x: Array | npt.ArrayLike) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x))))


PROBLEMS: Mapping[str, Problem] = {
    "doses": Problem(draw_doses, doses_truth, doses_ranges, (0.1, 0.25, 0.4, 0.6)),
    "gaussian": Problem(draw_gaussian, gaussian_truth, lambda far: {}, (0.1, 0.2, 0.35, 0.5)),
    "chain": Problem(draw_chain, chain_truth, chain_ranges, (0.2, 0.45, 0.7, 0.95)),
}
"""Thresholds are chosen on the first two and confirmed on the last."""
