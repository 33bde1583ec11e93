"""Exact values on small decision processes, solved by dynamic programming inside the test."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    ESTIMATORS,
    importance_sampling,
    per_decision_importance_sampling,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)

HORIZON = 3
INPUTS = {"reward", "log_ratio", "mask", "discount"}
FAMILY = [name for name, entry in ESTIMATORS.items() if set(entry.needs) == INPUTS]


@dataclass(frozen=True)
class Process:
    """Two states, two actions, an end: tables over fourths and halves, so that trajectories can be repeated exactly."""

    behavior: np.ndarray  # (2, 2) fourths
    target: np.ndarray  # (2, 2)
    move: np.ndarray  # (2, 2, 3) halves; the third state is the end
    reward: np.ndarray  # (2, 2, 3)

    def value(self, discount: float) -> float:
        value = np.zeros(3)
        for _ in range(HORIZON):
            q = (self.move * (self.reward + discount * value)).sum(2)
            value = np.append((self.target * q).sum(1), 0.0)
        return float(value[:2].mean())

    def cohort(self) -> dict[str, np.ndarray]:
        """Every trajectory, as often as its probability under the behaviour policy says."""
        rows = {"reward": [], "log_ratio": [], "mask": []}
        steps = list(itertools.product(range(2), range(3)))  # action, next state
        for start in range(2):
            for path in itertools.product(steps, repeat=HORIZON):
                self._add(rows, start, path)
        return {name: np.array(values) for name, values in rows.items()}

    def _add(self, rows, start, path) -> None:
        state, chance, reward, ratio, mask = start, 1.0, [], [], []
        for action, after in path:
            if state == 2:  # ended: count the path once, with nonsense in the padding
                chance *= action == 0 and after == 0
                reward.append(99.0), ratio.append(np.nan), mask.append(False)
                continue
            chance *= self.behavior[state, action] * self.move[state, action, after]
            reward.append(self.reward[state, action, after]), mask.append(True)
            with np.errstate(divide="ignore"):
                ratio.append(np.log(self.target[state, action]) - np.log(self.behavior[state, action]))
            state = after
        for _ in range(round(chance * 8**HORIZON)):
            rows["reward"].append(reward), rows["log_ratio"].append(ratio), rows["mask"].append(mask)


def process(seed: int, deterministic: bool) -> Process:
    rng = np.random.default_rng(seed)
    first = rng.integers(1, 4, (2, 1)) / 4
    target = rng.dirichlet((1, 1), 2)
    moves = np.array([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]])
    return Process(
        behavior=np.hstack((first, 1 - first)),
        target=np.eye(2)[rng.integers(0, 2, 2)] if deterministic else target,
        move=moves[rng.permutation(5)[:4].reshape(2, 2)],
        reward=rng.normal(-1, 2, (2, 2, 3)),
    )


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_exact_on_enumerated_processes(name: str, seed: int, discount: float, deterministic: bool) -> None:
    problem = process(seed, deterministic)
    cohort = problem.cohort()
    assert len(cohort["reward"]) == 2 * 8**HORIZON
    estimate = ESTIMATORS[name].function(**cohort, discount=discount)
    assert estimate.value == pytest.approx(problem.value(discount), abs=1e-12)
    assert estimate.mean_weight == pytest.approx(1, abs=1e-12)


LOGGED = {  # stay 0 ends early with a death; stay 1 lasts; stay 2 earns nothing
    "reward": np.array([[-1.0, 50.0], [2.0, 3.0], [0.0, 0.0]]),
    "log_ratio": np.log([[2.0, 50.0], [0.5, 4.0], [1.0, 3.0]]),
    "mask": np.array([[True, False], [True, True], [True, True]]),
}


def test_formulas_by_hand() -> None:
    g = 0.5
    final, returns = np.array([2.0, 2.0, 3.0]), np.array([-1.0, 2 + g * 3, 0.0])
    first = np.array([2.0, 0.5, 1.0])
    assert importance_sampling(**LOGGED, discount=g).value == pytest.approx((final * returns).sum() / 3)
    assert weighted_importance_sampling(**LOGGED, discount=g).value == pytest.approx((final * returns).sum() / 7)
    plain = (2 * -1 + 0.5 * 2 + 2 * g * 3) / 3
    assert per_decision_importance_sampling(**LOGGED, discount=g).value == pytest.approx(plain)
    # the ended stay carries its weight 2 in the second denominator
    normalised = (2 * -1 + 0.5 * 2) / first.sum() + g * 2 * 3 / 7
    assert weighted_per_decision_importance_sampling(**LOGGED, discount=g).value == pytest.approx(normalised)


def test_the_weight_of_a_reward_includes_its_own_action() -> None:
    one = per_decision_importance_sampling([[1.0], [0.0]], np.log([[1.5], [0.5]]), [[True], [True]])
    assert one.value == pytest.approx(0.75)


def test_a_death_at_the_last_step_counts_at_full_weight() -> None:
    reward = np.zeros((2, 4))
    reward[1, 3] = -1
    for name in FAMILY:
        value = ESTIMATORS[name].function(reward, np.zeros((2, 4)), np.ones((2, 4), bool), discount=0.9).value
        assert value == pytest.approx(-0.5 * 0.9**3)


@pytest.mark.parametrize("name", FAMILY)
def test_explicit_discount_factors(name: str) -> None:
    function = ESTIMATORS[name].function
    hours = np.array([[0.0, 9.0], [0.0, 4.0], [0.0, 4.0]])
    assert function(**LOGGED, discount=0.9**hours).value != function(**LOGGED, discount=0.9).value
    steps = np.array([[0.0, 1.0]] * 3)
    assert function(**LOGGED, discount=0.9**steps).value == pytest.approx(function(**LOGGED, discount=0.9).value)


@pytest.mark.parametrize("name", FAMILY)
def test_weights_that_overflow(name: str) -> None:
    """Five hundred decisions of log ratio 3: e^1500 is no float, the self-normalised mean is."""
    reward = np.zeros((4, 500))
    reward[:, -1] = [1.0, -2.0, 3.0, 4.0]
    estimate = ESTIMATORS[name].function(
        reward=reward, log_ratio=np.full((4, 500), 3.0), mask=np.ones((4, 500), bool), discount=1.0
    )
    assert estimate.effective_sample_size == pytest.approx(4)
    assert estimate.max_weight_share == pytest.approx(0.25)
    assert estimate.mean_weight == np.inf
    assert estimate.verdict == "not evaluable"
    if "weighted" in name:
        assert estimate.value == pytest.approx(1.5)
        assert all(np.isfinite(estimate.interval()))
    else:
        assert estimate.value == np.inf
        assert estimate.interval() == (-np.inf, np.inf)


@pytest.mark.parametrize("name", FAMILY)
def test_weights_of_very_different_size_at_different_times(name: str) -> None:
    """A column shift: late weights of e^-900 still average to the right number."""
    log_ratio = np.full((3, 300), -3.0)
    reward = np.zeros((3, 300))
    reward[:, -1] = [1.0, 2.0, 6.0]
    inputs = {"reward": reward, "log_ratio": log_ratio, "mask": np.ones((3, 300), bool), "discount": 1.0}
    value = ESTIMATORS[name].function(**inputs).value
    assert value == pytest.approx(3.0 if "weighted" in name else 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_ratio": np.log([[2.0, 1.0], [np.inf, 4.0], [1.0, 3.0]])}, "got inf at stay 1, decision 0"),
        ({"log_ratio": np.array([[2.0, 1.0], [1.0, np.nan], [1.0, 3.0]])}, "got nan at stay 1, decision 1"),
        ({"reward": np.array([[2.0, 1.0], [1.0, -np.inf], [1.0, 3.0]])}, "reward: got -inf"),
        ({"reward": np.zeros((3, 3))}, r"reward: expected shape \(3, 2\)"),
        ({"mask": np.array([[True, False], [False, True], [True, True]])}, "row 1 has a decision at 1 but none at 0"),
        ({"mask": np.ones((3, 0), bool)}, "N, T >= 1"),
        ({"discount": -0.1}, "discount"),
        ({"discount": np.ones((3, 1))}, "discount: expected shape"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        importance_sampling(**{**LOGGED, **change})
