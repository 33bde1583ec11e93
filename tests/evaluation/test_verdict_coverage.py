"""The default thresholds keep their promise: intervals called supported hold the truth at least nine times in ten.

Three problems with known values, targets from near to far, 300 to 1,500 stays.
"""

from collections.abc import Callable

import numpy as np
import pytest
from posology.evaluation.off_policy import weighted_importance_sampling, weighted_per_decision_importance_sampling

Cohort = tuple[np.ndarray, np.ndarray, np.ndarray]  # reward, log ratio, mask
Problem = Callable[[np.random.Generator, int, float, bool], Cohort]


def doses(rng: np.random.Generator, stays: int, far: float, on_target: bool) -> Cohort:
    """Twenty-five actions, up to eighteen decisions; survival improves with the quality of all actions."""
    tables = np.random.default_rng(1)
    usual, quality = 0.95 * tables.dirichlet(np.full(25, 0.5)) + 0.002, tables.normal(size=25)
    wanted = usual * np.exp(far * quality)
    wanted /= wanted.sum()
    length = rng.integers(4, 19, stays)
    mask = np.arange(18) < length[:, None]
    action = rng.choice(25, (stays, 18), p=wanted if on_target else usual)
    chance = 1 / (1 + np.exp(-1 - np.where(mask, quality[action], 0).sum(1) / 6))
    reward = np.zeros(mask.shape)
    reward[np.arange(stays), length - 1] = chance if on_target else rng.random(stays) < chance
    return reward, np.log(wanted / usual)[action], mask


def gaussian(rng: np.random.Generator, stays: int, far: float, on_target: bool) -> Cohort:
    """Twelve normal doses, the target's mean shifted; the return saturates and is noisy."""
    dose = rng.normal(size=(stays, 12)) + far * on_target
    reward = np.zeros(dose.shape)
    reward[:, -1] = np.tanh(dose.sum(1) / 3) + 0.3 * rng.normal(size=stays)
    return reward, far * dose - far**2 / 2, np.ones(dose.shape, bool)


def chain(rng: np.random.Generator, stays: int, far: float, on_target: bool) -> Cohort:
    """Two states, two actions, ten decisions; the drug costs a little and prevents deaths in the worse state."""
    usual = np.array([0.2, 0.35])
    wanted = np.clip(usual + far * np.array([-0.18, 0.6]), 0, 1)
    state, alive = rng.integers(0, 2, stays), np.ones(stays, bool)
    reward, log_ratio, mask = np.zeros((stays, 10)), np.zeros((stays, 10)), np.zeros((stays, 10), bool)
    for t in range(10):
        drug = rng.random(stays) < (wanted if on_target else usual)[state]
        dies = rng.random(stays) < np.where((state == 1) & ~drug, 0.12, 0.03)
        mask[:, t], reward[:, t] = alive, alive * (0.05 * ~drug - dies)
        log_ratio[:, t] = np.log(np.where(drug, wanted[state] / usual[state], (1 - wanted[state]) / (1 - usual[state])))
        alive &= ~dies
        state = (rng.random(stays) >= np.where(drug, 0.7, 0.4)).astype(int)
    return reward, log_ratio, mask


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "distances"),
    [
        (doses, (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)),
        (gaussian, (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)),
        (chain, (0.1, 0.3, 0.5, 0.7, 0.9)),
    ],
)
def test_supported_intervals_hold_the_truth(problem: Problem, distances: tuple[float, ...]) -> None:
    held: dict[str, list[bool]] = {"supported": [], "weak": [], "not evaluable": []}
    for far in distances:
        reward, _, mask = problem(np.random.default_rng(99), 400_000, far, True)
        truth = float(np.where(mask, reward, 0).sum(1).mean())
        for stays in (300, 600, 1500):
            for seed in range(40):
                cohort = problem(np.random.default_rng([seed, stays]), stays, far, False)
                for estimator in (weighted_importance_sampling, weighted_per_decision_importance_sampling):
                    estimate = estimator(*cohort)
                    low, high = estimate.interval(draws=200, seed=seed)
                    held[estimate.verdict].append(low <= truth <= high)
    coverage = {label: float(np.mean(found)) for label, found in held.items() if found}
    assert len(held["supported"]) > 300 and len(held["not evaluable"]) > 100
    assert coverage["supported"] >= 0.90, coverage
    assert coverage["supported"] > coverage["not evaluable"], coverage
