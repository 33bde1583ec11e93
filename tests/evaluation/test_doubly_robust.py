"""Estimators with a critic: exact on enumerated processes, by hand, and what they refuse."""

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    direct_method,
    doubly_robust,
    per_decision_importance_sampling,
    weighted_doubly_robust,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)

RNG = np.random.default_rng
ROBUST = {"doubly_robust": doubly_robust, "weighted_doubly_robust": weighted_doubly_robust}
INPUTS = ("reward", "log_ratio", "mask", "q", "v")


def of(cohort: dict[str, np.ndarray], **changes: np.ndarray) -> dict[str, np.ndarray]:
    return {name: {**cohort, **changes}[name] for name in INPUTS}


@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_exact_under_any_critic_that_sees_the_past_only(enumerated, name, seed, discount, deterministic) -> None:
    problem = enumerated.process(seed, deterministic)
    cohort = problem.cohort(discount)
    rng = RNG(seed)
    q_table = rng.normal(size=(3, 3, 2))
    state = np.where(cohort["mask"], cohort["state"], 2).astype(int)
    action = np.where(cohort["mask"], cohort["action"], 0).astype(int)
    q = q_table[np.arange(3), state, action]
    wrong = np.hstack(
        ((q_table[:, :2] * problem.target).sum(2)[np.arange(3), np.minimum(state, 1)], np.ones_like(q[:, :1]))
    )
    for critic in ({}, {"q": q, "v": wrong}):
        found = ROBUST[name](**of(cohort, **critic), discount=discount)
        assert found.value == pytest.approx(problem.value(discount), abs=1e-12)


def test_without_a_critic_they_are_importance_sampling(enumerated) -> None:
    cohort = enumerated.process(1).cohort()
    nothing = of(cohort, q=np.zeros((1024, 3)), v=np.zeros((1024, 4)))
    plain = {name: nothing[name] for name in INPUTS[:3]}
    assert doubly_robust(**nothing).num == pytest.approx(per_decision_importance_sampling(**plain).num)
    weighted = weighted_per_decision_importance_sampling(**plain)
    assert weighted_doubly_robust(**nothing).interval(draws=50) == pytest.approx(weighted.interval(draws=50))


def test_formulas_by_hand() -> None:
    """Stay 0 ends early with a death; stay 1 lasts; rubbish lies in the padding."""
    g = 0.5
    data = {
        "reward": [[-1.0, 50.0], [2.0, 3.0]],
        "log_ratio": np.log([[2.0, 50.0], [0.5, 4.0]]),
        "mask": [[True, False], [True, True]],
        "q": [[0.3, 7.0], [0.1, -0.4]],
        "v": [[0.2, 8.0, 9.0], [0.6, 0.7, 9.0]],
    }
    first = 2 * (-1 - 0.3), 0.5 * (2 + g * 0.7 - 0.1)
    second = 2 * g * (3 - -0.4)
    assert doubly_robust(**data, discount=g).value == pytest.approx((0.2 + 0.6 + sum(first) + second) / 2)
    weighted = (0.2 + 0.6) / 2 + sum(first) / 2.5 + second / 4  # the ended stay carries its weight 2
    assert weighted_doubly_robust(**data, discount=g).value == pytest.approx(weighted)
    assert direct_method(data["v"]).value == pytest.approx(0.4)
    factors = np.array([[1.0, np.nan], [1.0, 0.5]])
    assert doubly_robust(**data, discount=factors).value == pytest.approx(doubly_robust(**data, discount=g).value)


@pytest.mark.parametrize("name", list(ROBUST))
def test_weights_that_overflow(name: str) -> None:
    reward = np.zeros((4, 500))
    reward[:, -1] = [1.0, -2.0, 3.0, 4.0]
    zeros = {"q": np.zeros((4, 500)), "v": np.zeros((4, 501))}
    function = ROBUST[name]
    found = function(reward, np.full((4, 500), 3.0), np.ones((4, 500), bool), **zeros)
    assert found.effective_sample_size == pytest.approx(4)
    assert found.verdict == "not evaluable"
    assert found.value == (np.inf if name == "doubly_robust" else pytest.approx(1.5))


def test_the_direct_method_is_never_supported() -> None:
    v = RNG(0).normal(size=(5000, 4))
    found = direct_method(v)
    assert found.verdict == "model-based" and found.weight is None
    low, high = found.interval(draws=300)
    assert low < v[:, 0].mean() < high
    same = weighted_importance_sampling(v[:, :1], np.zeros((5000, 1)), np.ones((5000, 1)))
    difference = same.minus(found)
    assert same.verdict == "supported" and difference.verdict == "model-based"
    assert difference.value == pytest.approx(0)
    with pytest.raises(ValueError, match="v: got nan at stay 3"):
        direct_method(np.where(np.arange(5)[:, None] == 3, np.nan, 0.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": np.zeros((2, 3))}, r"q: expected shape \(2, 2\)"),
        ({"v": np.zeros((2, 2))}, r"v: expected shape \(N, T\+1\) = \(2, 3\)"),
        ({"v": np.full((2, 3), np.nan)}, "v: got nan at stay 0, decision 0"),
    ],
)
def test_bad_critics_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    data = {"reward": np.ones((2, 2)), "log_ratio": np.zeros((2, 2)), "mask": np.ones((2, 2))}
    with pytest.raises(ValueError, match=message):
        doubly_robust(**data, **{"q": np.zeros((2, 2)), "v": np.zeros((2, 3)), **change})
