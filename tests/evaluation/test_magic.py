"""MAGIC: exact where any blend is, optimal on the simplex, not fooled by a bad critic, not deaf to a good one."""

import itertools

import numpy as np
import pytest
from posology.evaluation.off_policy import direct_method, magic, weighted_doubly_robust
from posology.evaluation.off_policy.simplex import least_square, root

RNG = np.random.default_rng
INPUTS = ("reward", "log_ratio", "mask", "q", "v")
VALUE = 4.5  # of the bandits below


def bandits(seed: int, bias: float, stays: int = 400) -> dict[str, np.ndarray]:
    """Five decisions of two actions, 0.9 against 0.5; reward is the action plus noise; the critic is off by `bias`.

    The critic stays consistent, v the target's mean of q: only then does a correction tell the bias.
    """
    rng = RNG(seed)
    action = rng.random((stays, 5)) < 0.5
    left = 0.9 * np.arange(5, -1, -1)
    return {
        "reward": action + rng.normal(0, 0.3, action.shape),
        "log_ratio": np.log(np.where(action, 0.9, 0.1) / 0.5),
        "mask": np.ones(action.shape, bool),
        "q": action + left[1:] + bias,
        "v": np.broadcast_to(left + bias * (np.arange(6) < 5), (stays, 6)),
    }


def rmse(estimator, bias: float, stays: int, seeds: int = 40) -> float:
    return float(np.sqrt(np.mean([(estimator(**bandits(s, bias, stays)).value - VALUE) ** 2 for s in range(seeds)])))


@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_exact_under_the_exact_critic(enumerated, seed: int, discount: float) -> None:
    """Every partial return has the right expectation, so every blend of them has."""
    problem = enumerated.process(seed)
    cohort = problem.cohort(discount)
    found = magic(**{name: cohort[name] for name in INPUTS}, discount=discount)
    assert found.value == pytest.approx(problem.value(discount), abs=1e-12)


def test_a_critic_off_by_two_is_left_for_the_corrections() -> None:
    for seed in range(10):
        data = bandits(seed, bias=2.0)
        robust, found = weighted_doubly_robust(**data), magic(**data)
        assert direct_method(data["v"]).value == pytest.approx(VALUE + 2)
        assert found.value == pytest.approx(robust.value, abs=0.02)
        assert found.notes[0].startswith("0% of the blend") and found.verdict != "model-based"
    assert rmse(magic, 2.0, 400) < 0.3


def test_a_right_critic_is_believed_and_said_to_be() -> None:
    found = magic(**bandits(0, bias=0.0))
    assert found.verdict in ("model-based", "not evaluable") and "follow the critic" in found.notes[0]
    assert rmse(magic, 0.0, 400) < 0.5 * rmse(weighted_doubly_robust, 0.0, 400)


def test_the_error_never_far_exceeds_that_of_either_end() -> None:
    """A bias within the interval of the full-length return goes unseen, and costs as much as that interval is wide."""
    for bias in (0.0, 0.05, 0.2, 0.5, 1.0):
        ends = min(abs(bias), rmse(weighted_doubly_robust, bias, 400))
        assert rmse(magic, bias, 400) < 2 * ends + 0.02


def test_more_stays_find_out_a_smaller_bias() -> None:
    errors = [rmse(magic, 0.1, stays, 20) for stays in (100, 20_000)]
    assert errors[1] < 0.5 * 0.1 and errors[1] < errors[0]


def test_two_partial_returns_by_hand() -> None:
    """One decision: the critic alone against the weighted correction; x has a closed form."""
    rng = RNG(1)
    size = 60
    action = rng.random((size, 1)) < 0.5
    reward, v = action + rng.normal(size=(size, 1)), np.hstack((rng.normal(1.6, 0.2, (size, 1)), np.zeros((size, 1))))
    weight, q = np.where(action, 1.6, 0.4), np.full((size, 1), 1.3)
    found = magic(reward, np.log(weight), np.ones((size, 1), bool), q, v)
    total = weight.sum()
    correction = (weight * (reward - q)).sum() / total
    parts = np.hstack(((v[:, :1] - v[:, 0].mean()) / size, weight * (reward - q - correction) / total)).cumsum(1)
    omega = size / (size - 1) * parts.T @ parts
    critic, full = v[:, 0].mean(), v[:, 0].mean() + correction
    blend = found.statistic
    bias = max(0, critic - full - blend.above) + min(0, critic - full + blend.below)
    omega[0, 0] += bias**2
    x = np.clip((omega[1, 1] - omega[0, 1]) / (omega[0, 0] + omega[1, 1] - 2 * omega[0, 1]), 0, 1)
    assert 0 < x < 1 and blend.above > 0 and blend.below > 0
    assert found.value == pytest.approx(x * critic + (1 - x) * full)


@pytest.mark.parametrize("seed", range(6))
def test_the_quadratic_programme_is_solved(seed: int) -> None:
    """No corner, no mixture of the solution with a corner, and no point of a grid does better."""
    rng = RNG(seed)
    factor = rng.normal(size=(4, 4 - seed % 3))
    matrix = factor @ factor.T
    x = least_square(root(matrix))
    best = x @ matrix @ x
    assert x.sum() == pytest.approx(1) and (x >= 0).all()
    assert ((matrix @ x) >= best - 1e-8).all()  # Karush-Kuhn-Tucker
    for corner in itertools.product(range(6), repeat=4):
        if sum(corner):
            point = np.array(corner) / sum(corner)
            assert best <= point @ matrix @ point + 1e-8
    assert least_square(np.zeros((3, 3))).tolist() == [0, 0, 1]


def test_intervals_hold_the_truth() -> None:
    held = 0
    for seed in range(60):
        low, high = magic(**bandits(seed, bias=2.0)).interval(draws=100, seed=seed)
        held += low <= VALUE <= high
    assert held >= 50
