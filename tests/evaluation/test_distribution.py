"""The distribution of the return under the target: exact on enumerated processes, intervals that hold, and refusals."""

import numpy as np
import pytest
from posology.evaluation.off_policy import distribution

RNG = np.random.default_rng
INPUTS = ("reward", "log_ratio", "mask")


def returns_of(problem) -> tuple[np.ndarray, np.ndarray]:
    """Every return under the target with its probability, by walking all paths from both starts."""
    found: dict[float, float] = {}

    def walk(state: int, t: int, chance: float, earned: float) -> None:
        if state == 2 or t == 3:
            key = round(earned, 9)
            found[key] = found.get(key, 0.0) + chance
            return
        for action in range(2):
            for after in range(3):
                p = problem.target[state, action] * problem.move[state, action, after]
                if p > 0:
                    walk(after, t + 1, chance * p, earned + problem.reward[state, action, after])

    for start in range(2):
        walk(start, 0, 0.5, 0.0)
    values = np.array(sorted(found))
    return values, np.array([found[v] for v in values])


@pytest.fixture(params=range(3))
def case(request, enumerated):
    problem = enumerated.process(request.param)
    cohort = problem.cohort()
    values, chance = returns_of(problem)
    return distribution(**{name: cohort[name] for name in INPUTS}), values, chance, cohort


def test_everything_is_exact_where_means_are_expectations(case) -> None:
    found, values, chance, _ = case
    mean = values @ chance
    assert found.mean().value == pytest.approx(mean)
    assert found.variance().value == pytest.approx(chance @ (values - mean) ** 2)
    assert found.cdf(values + 1e-6) == pytest.approx(np.cumsum(chance))
    assert found.cdf([values[0] - 1, values[-1] + 1]) == pytest.approx([0, 1])
    for p in (0.1, 0.37, 0.5, 0.9):
        cumulated = np.cumsum(chance)
        assert found.quantile(p).value == pytest.approx(values[np.searchsorted(cumulated, p - 1e-9)])
        share = np.minimum(chance, np.maximum(0, p - (cumulated - chance)))
        assert found.cvar(p).value == pytest.approx(share @ values / p)


def test_the_probability_of_an_event(case) -> None:
    found, values, chance, cohort = case
    returns = np.where(cohort["mask"], cohort["reward"], 0).sum(1)
    below = found.probability(returns < -1.0, "a return under -1")
    assert below.value == pytest.approx(chance[values < -1.0].sum())
    assert below.name == "a return under -1"
    with pytest.raises(ValueError, match="True or False"):
        found.probability(np.full(len(returns), 0.5))


def gaussian(seed: int, stays: int = 800, far: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One dose, N(0, 1) against N(far, 1) on target; the return is the dose plus noise: N(far, 1.25) on target."""
    rng = RNG(seed)
    dose = rng.normal(size=(stays, 1))
    return dose + rng.normal(0, 0.5, dose.shape), far * dose - far**2 / 2, np.ones(dose.shape, bool)


def test_intervals_hold_the_closed_form() -> None:
    """Of N(m, s^2): quantiles m + s z_p, lower tail means m - s phi(z_p) / p, variance s^2."""
    spread = 1.25**0.5
    truths = {
        "variance": spread**2,
        "quantile": 0.5 + spread * -1.2815516,
        "cvar": 0.5 - spread * 0.31777657 / 0.25,
        "mean": 0.5,
    }
    held = dict.fromkeys(truths, 0)
    for seed in range(60):
        found = distribution(*gaussian(seed))
        estimates = {
            "variance": found.variance(),
            "quantile": found.quantile(0.1),
            "cvar": found.cvar(0.25),
            "mean": found.mean(),
        }
        for name, estimate in estimates.items():
            low, high = estimate.interval(draws=100, seed=seed)
            held[name] += low <= truths[name] <= high
    assert all(count >= 50 for count in held.values()), held


def test_linearised_intervals_are_as_wide_as_the_bootstrap() -> None:
    found = distribution(*gaussian(3, 3000))
    for estimate in (found.variance(), found.cvar(0.25), found.mean()):
        assert np.diff(estimate.interval(method="delta")) == pytest.approx(np.diff(estimate.interval()), rel=0.15)
    with pytest.raises(ValueError, match="no linearisation"):
        found.quantile(0.5).interval(method="delta")


def test_without_weights_it_is_the_sample() -> None:
    rng = RNG(4)
    reward = rng.normal(size=(101, 1))
    found = distribution(reward, np.zeros((101, 1)), np.ones((101, 1), bool))
    ordered = np.sort(reward[:, 0])
    assert found.quantile(0.5).value == pytest.approx(np.median(reward))
    assert found.variance().value == pytest.approx(reward.var())
    assert found.cvar(20 / 101).value == pytest.approx(ordered[:20].mean())
    assert found.cvar(0.999999).value == pytest.approx(reward.mean(), abs=1e-4)


def test_differences_and_subgroups_are_estimated_anew() -> None:
    reward, log_ratio, mask = gaussian(5)
    found = distribution(reward, log_ratio, mask)
    rows = reward[:, 0] > 0
    part = distribution(reward[rows], log_ratio[rows], mask[rows])
    for one, other in ((found.cvar(0.2), part.cvar(0.2)), (found.variance(), part.variance())):
        assert one.subset(rows).value == pytest.approx(other.value)
    gap = found.cvar(0.2).minus(distribution(reward, np.zeros_like(reward), mask).cvar(0.2))
    assert gap.value > 0  # higher doses, better worst courses
    assert gap.interval(draws=100)[0] > 0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, np.nan])
def test_shares_outside_the_open_interval_are_refused(share: float) -> None:
    found = distribution(*gaussian(6, 20))
    for method in (found.quantile, found.cvar):
        with pytest.raises(ValueError, match="between 0 and 1"):
            method(share)
