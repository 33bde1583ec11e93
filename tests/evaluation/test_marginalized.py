"""Marginalised importance sampling against the dynamics that it estimates."""

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    marginalized_importance_sampling,
    weighted_per_decision_importance_sampling,
)

RNG = np.random.default_rng
INPUTS = ("reward", "log_ratio", "mask", "state")


def of(cohort: dict[str, np.ndarray], **changes: np.ndarray) -> dict[str, np.ndarray]:
    return {name: {**cohort, **changes}[name] for name in INPUTS}


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_exact_by_counting(enumerated, seed: int, discount: float, deterministic: bool) -> None:
    problem = enumerated.process(seed, deterministic)
    cohort = problem.cohort()
    found = marginalized_importance_sampling(**of(cohort), discount=discount)
    assert found.value == pytest.approx(problem.value(discount), abs=1e-12)
    ours, theirs = problem.occupancy(problem.target), problem.occupancy(problem.behavior)
    state = np.where(cohort["mask"], cohort["state"], 0).astype(int)
    times = np.arange(3)
    with np.errstate(invalid="ignore"):
        expected = (ours / theirs)[times, state] * np.exp(cohort["log_ratio"])
    assert found.weight is not None
    assert found.weight[cohort["mask"]] == pytest.approx(expected[cohort["mask"]], abs=1e-12)
    assert found.mean_weight == pytest.approx(1)


@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_linear_in_every_state_and_time_is_counting(enumerated, seed: int, discount: float) -> None:
    problem = enumerated.process(seed)
    cohort = problem.cohort()
    place = np.where(cohort["mask"], cohort["state"] + 2 * np.arange(3), 0).astype(int)
    features = np.where(cohort["mask"][..., None], np.eye(6)[place], np.nan)
    found = marginalized_importance_sampling(**of(cohort, state=features), discount=discount)
    assert found.value == pytest.approx(problem.value(discount), abs=1e-5)
    assert found.verdict in ("model-based", "not evaluable") and "fitted" in " ".join(found.notes)
    counted = marginalized_importance_sampling(**of(cohort), discount=discount)
    assert found.weight == pytest.approx(counted.weight, abs=1e-3)
    counts = RNG(0).integers(1, 4, (2, len(place))).astype(float)
    drawn = marginalized_importance_sampling(**of({k: v[:40] for k, v in cohort.items()})).replicate(counts[:, :40])
    assert drawn.shape == (2,) and np.isfinite(drawn).all()


def chain(
    seed: int, stays: int, decisions: int = 30, usual: float = 0.5, wanted: float = 0.8, stay: float = 0.6
) -> dict[str, np.ndarray]:
    """Three states in a ring; action 1 moves on; reward in state 2. Behaviour 50:50, target moves on with .8."""
    rng = RNG(seed)
    state, states = rng.integers(0, 3, stays), np.zeros((stays, decisions), int)
    reward, log_ratio = np.zeros(states.shape), np.zeros(states.shape)
    for t in range(decisions):
        action = rng.random(stays) < usual
        states[:, t], reward[:, t] = state, state == 2
        log_ratio[:, t] = np.log(np.where(action, wanted / usual, (1 - wanted) / (1 - usual)))
        stuck = (state == 2) & (rng.random(stays) < stay)  # the rewarding state holds on to some
        state = np.where(action & ~stuck, (state + 1) % 3, state)
    return {"reward": reward, "log_ratio": log_ratio, "mask": np.ones(states.shape, bool), "state": states}


def chain_value(decisions: int = 30) -> float:
    move = np.array([[0.2, 0.8, 0], [0, 0.2, 0.8], [0.8 * 0.4, 0, 0.2 + 0.8 * 0.6]])
    spread, total = np.full(3, 1 / 3), 0.0
    for _ in range(decisions):
        total += spread[2]
        spread = spread @ move
    return total


def test_the_horizon_does_not_ruin_it() -> None:
    """Thirty decisions leave no weight to whole trajectories; states are enough."""
    data = chain(0, 500)
    found = marginalized_importance_sampling(**data)
    plain = weighted_per_decision_importance_sampling(*(data[name] for name in INPUTS[:3]))
    assert plain.verdict == "not evaluable" and found.verdict == "supported"
    low, high = found.interval(draws=200)
    assert low < chain_value() < high and high - low < 1.5
    assert high - low < 0.5 * np.diff(plain.interval(draws=200))


def test_bootstrap_intervals_by_counting_hold_the_truth() -> None:
    truth, held = chain_value(8), 0
    for seed in range(60):
        low, high = marginalized_importance_sampling(**chain(seed, 150, 8)).interval(draws=100, seed=seed)
        held += low <= truth <= high
    assert held >= 51


USUAL, WANTED, STAY = 0.15, 0.6, 0.95


def moves(forward: float) -> np.ndarray:
    """Transitions of the ring under a policy that moves on with probability `forward`."""
    last = forward * (1 - STAY)
    return np.array([[1 - forward, forward, 0], [0, 1 - forward, forward], [last, 0, 1 - last]])


def balanced_ratio(discount: float, decisions: int) -> np.ndarray:
    """The state ratio w (3,) of the ring that balances all flow exactly, by one linear solve.

    w n - g P'(w m) = d_0, with n the expected visits of the behaviour to each state and m those that go on.
    """
    start = np.full(3, 1 / 3)
    visits = [start]
    for _ in range(decisions - 1):
        visits.append(visits[-1] @ moves(USUAL))
    all_visits, going_on = np.sum(visits, 0), np.sum(visits[:-1], 0)
    return np.linalg.solve(np.diag(all_visits) - discount * moves(WANTED).T @ np.diag(going_on), start)


@pytest.mark.parametrize("model", ["linear", "network"])
def test_fitted_ratios_are_those_of_the_linear_solve(model: str) -> None:
    """An ergodic chain that the target drives elsewhere: a ratio that ignored the state would be far off."""
    discount, decisions = 0.9, 12
    data = chain(3, 1200, decisions, USUAL, WANTED, STAY)
    state, exact = data["state"], balanced_ratio(discount, decisions)
    found = marginalized_importance_sampling(**{**data, "state": np.eye(3)[state]}, discount=discount, model=model)
    assert found.weight is not None
    fitted = found.weight * discount ** np.arange(decisions) / np.exp(data["log_ratio"])
    ratio = np.array([fitted[state == s].mean() for s in range(3)])
    assert ratio == pytest.approx(exact, rel=0.1)
    assert exact.max() > 1.7 * exact.min()  # against a tolerance of a tenth
    assert found.value == pytest.approx(
        float((exact[state] * np.exp(data["log_ratio"]) * data["reward"]).sum(1).mean()), rel=0.05
    )


def test_where_nobody_follows_is_said() -> None:
    """A deterministic target into a state in which no stay took its action: its course goes on from the others."""
    state = np.array([[0, 1], [0, 2], [0, 2], [0, 1]])
    log_ratio = np.array([[0.0, -np.inf], [0.0, 0.0], [0.0, 0.0], [0.0, -np.inf]])
    found = marginalized_importance_sampling(np.ones((4, 2)), log_ratio, np.ones((4, 2), bool), state)
    assert found.value == pytest.approx(2)
    assert "50.0% of the policy's course" in " ".join(found.notes)


def test_bad_input_is_refused() -> None:
    data = chain(2, 10, 3)
    with pytest.raises(ValueError, match="expected whole numbers"):
        marginalized_importance_sampling(**{**data, "state": data["state"] + 0.5})
    with pytest.raises(ValueError, match="model: expected linear or network"):
        marginalized_importance_sampling(**{**data, "state": np.eye(3)[data["state"]]}, model="forest")
