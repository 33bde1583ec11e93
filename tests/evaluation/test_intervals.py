"""Interval methods against closed forms, naive loops and coverage by simulation."""

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    ESTIMATORS,
    Estimate,
    bootstrap_intervals,
    importance_sampling,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)
from posology.evaluation.off_policy.resampling import counts
from scipy import stats

METHODS = ("bootstrap", "bca", "delta", "normal", "student_t")
RNG = np.random.default_rng


def bandit(seed: int, stays: int, tilt: float = 0.5) -> dict[str, np.ndarray]:
    """One decision, binary action at even odds, target odds 1 + tilt : 1 - tilt; reward rises by 1 with the action."""
    rng = RNG(seed)
    action = rng.integers(0, 2, (stays, 1))
    return {
        "reward": action + rng.exponential(size=(stays, 1)) - 1,
        "log_ratio": np.log(np.where(action == 1, 1 + tilt, 1 - tilt)),
        "mask": np.ones((stays, 1), bool),
    }


def mean_of(values: np.ndarray, cluster: np.ndarray | None = None) -> Estimate:
    return Estimate("mean", values[:, None], np.ones((len(values), 1)), self_normalized=False, cluster=cluster)


def test_student_t_is_the_textbook_interval_of_a_mean() -> None:
    x = RNG(0).normal(size=9)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert mean_of(x).interval(0.9, "student_t") == pytest.approx((expected.low, expected.high))


def test_delta_is_the_linearised_ratio() -> None:
    data = bandit(1, 40)
    estimate = weighted_importance_sampling(**data)
    w, g = np.exp(data["log_ratio"][:, 0]), data["reward"][:, 0]
    value = (w * g).sum() / w.sum()
    error = np.sqrt(40 / 39 * (w**2 * (g - value) ** 2).sum()) / w.sum()
    expected = value + np.array([-1, 1]) * stats.norm.ppf(0.975) * error
    assert estimate.interval(method="delta") == pytest.approx(tuple(expected))


def test_bca_agrees_with_scipy() -> None:
    x = RNG(2).exponential(size=60)
    low, high = mean_of(x).interval(method="bca", draws=20000)
    expected = stats.bootstrap((x,), np.mean, n_resamples=20000, rng=RNG(0), vectorized=True).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)
    percentile = mean_of(x).interval(draws=20000)
    assert low > percentile[0] + 0.01 and high > percentile[1] + 0.01  # corrected towards the long tail


def test_hoeffding_by_hand() -> None:
    x = RNG(3).uniform(0, 1, 50)
    low, high = mean_of(x).interval(0.9, "hoeffding", value_range=(-1, 2))
    assert (high - low) / 2 == pytest.approx(3 * np.sqrt(np.log(2 / 0.1) / (2 * 50)))
    assert (high + low) / 2 == pytest.approx(x.mean())


def test_hoeffding_with_patients_of_several_stays() -> None:
    x = RNG(3).uniform(0, 1, 50)
    own = mean_of(x).interval(method="hoeffding", value_range=(0, 1))
    pairs = mean_of(np.repeat(x, 2), np.repeat(np.arange(50), 2)).interval(method="hoeffding", value_range=(0, 1))
    assert pairs == pytest.approx(own)  # fifty patients, seen once or twice


def test_empirical_bernstein_by_hand() -> None:
    x = RNG(4).uniform(0, 1, 200)
    low, high = mean_of(x).interval(0.95, "empirical_bernstein", value_range=(0, 4))
    log = np.log(2 / 0.025)  # Maurer & Pontil's one-sided bound at half the error, twice
    half = np.sqrt(2 * x.var(ddof=1) * log / 200) + 7 * 4 * log / (3 * 199)
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half))
    shifted = mean_of(x - 9).interval(method="empirical_bernstein", value_range=(-9, -5))  # the range, not its top
    assert shifted == pytest.approx((low - 9, high - 9))
    pairs = mean_of(np.repeat(x, 2), np.repeat(np.arange(200), 2))
    assert pairs.interval(method="empirical_bernstein", value_range=(0, 4)) == pytest.approx((low, high))


def test_the_range_matters_not_the_maximum() -> None:
    x = RNG(4).uniform(5, 6, 200)
    near = mean_of(x).interval(method="hoeffding", value_range=(5, 6))
    far = mean_of(x - 5).interval(method="hoeffding", value_range=(0, 1))
    assert near == pytest.approx((far[0] + 5, far[1] + 5))


@pytest.mark.parametrize("method", ["hoeffding", "empirical_bernstein"])
def test_bounds_are_refused_where_they_do_not_hold(method: str) -> None:
    with pytest.raises(ValueError, match="no plain mean"):
        weighted_importance_sampling(**bandit(0, 10)).interval(method=method, value_range=(0, 1))
    with pytest.raises(ValueError, match="no plain mean"):
        difference = importance_sampling(**bandit(0, 10)).minus(importance_sampling(**bandit(0, 10)))
        difference.interval(method=method, value_range=(0, 1))
    plain = importance_sampling(**bandit(0, 10))
    with pytest.raises(ValueError, match="value_range"):
        plain.interval(method=method)
    with pytest.raises(ValueError, match="every weighted term within"):
        plain.interval(method=method, value_range=(0, 0.01))
    with pytest.raises(ValueError, match="low <= high"):
        plain.interval(method=method, value_range=(1, 0))


def test_bootstrap_is_the_resampling_loop() -> None:
    rng = RNG(6)
    data = {"reward": rng.normal(size=(30, 3)), "log_ratio": rng.normal(0, 0.3, (30, 3)), "mask": np.ones((30, 3))}
    estimate = weighted_per_decision_importance_sampling(**data)
    values = []
    for block in counts(30, 200, 11):
        for times in block.astype(int):
            index = np.repeat(np.arange(30), times)
            values.append(weighted_per_decision_importance_sampling(**{k: v[index] for k, v in data.items()}).value)
    expected = np.quantile(values, [0.05, 0.95])
    assert estimate.interval(0.9, draws=200, seed=11) == pytest.approx(tuple(expected))


def test_counts_draw_with_replacement() -> None:
    drawn = np.concatenate(list(counts(50, 4000, 0)))
    assert drawn.shape == (4000, 50) and (drawn.sum(1) == 50).all()
    assert drawn.mean(0) == pytest.approx(1, abs=5 * np.sqrt(1 / 4000))
    assert drawn.var() == pytest.approx(1 - 1 / 50, abs=0.02)  # binomial
    blocks = list(counts(3_000_000, 2, 0))
    assert [len(b) for b in blocks] == [1, 1] and not np.array_equal(*blocks)


def test_the_denominator_is_resampled() -> None:
    """Equal returns leave nothing uncertain; a fixed denominator would report the spread of the weights."""
    data = bandit(7, 25, tilt=0.9)
    data["reward"] = np.full((25, 1), 2.0)
    for method in METHODS:
        assert weighted_importance_sampling(**data).interval(method=method) == pytest.approx((2, 2))


@pytest.mark.parametrize("method", METHODS)
def test_stays_of_one_patient_are_resampled_together(method: str) -> None:
    x = RNG(8).normal(size=40)
    four, patient = np.repeat(x, 4), np.repeat(np.arange(40), 4)
    alone, together = mean_of(four), mean_of(four, patient)
    assert together.interval(method=method) == pytest.approx(mean_of(x).interval(method=method))
    assert alone.interval(method=method, cluster=patient) == pytest.approx(together.interval(method=method))
    width = np.diff(together.interval(method=method)) / np.diff(alone.interval(method=method))
    assert width == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_names_of_patients_and_the_order_of_stays_do_not_matter(method: str) -> None:
    rng = RNG(9)
    x, patient = rng.normal(size=60), rng.integers(0, 20, 60) * 10**12
    order = np.argsort(patient, kind="stable")
    one = mean_of(x).interval(method=method, cluster=patient)
    assert mean_of(x[order]).interval(method=method, cluster=patient[order] // 10**11 - 7) == pytest.approx(one)


def test_undefined_replicates_widen_the_interval() -> None:
    """Two of twelve stays carry weight: resamples without either say nothing, and are not forgotten."""
    log_ratio = np.full((12, 1), -np.inf)
    log_ratio[:2] = 0
    estimate = weighted_importance_sampling(np.arange(12.0)[:, None], log_ratio, np.ones((12, 1)))
    assert estimate.value == pytest.approx(0.5)
    assert estimate.interval() == (-np.inf, np.inf)  # (10/12)**12 = 11 % of the resamples
    assert estimate.interval(method="normal") == estimate.interval(method="bca") == (-np.inf, np.inf)
    assert estimate.interval(0.5) == pytest.approx((0, 1))


def test_one_patient_tells_nothing_of_others() -> None:
    one = mean_of(np.array([1.0, 2.0]), np.array([5, 5]))
    for method in ("delta", "student_t", "bca"):
        assert one.interval(method=method) == (-np.inf, np.inf)


def test_many_intervals_at_once_are_each_ones_own() -> None:
    data, patients = bandit(10, 50), np.arange(50) // 2
    found = {name: entry.function(**data, discount=1.0) for name, entry in ESTIMATORS.items() if len(entry.needs) == 4}
    found = {name: Estimate(e.name, e.num, e.den, e.self_normalized, e.weights, patients) for name, e in found.items()}
    together = bootstrap_intervals(found, 0.9, draws=300, seed=4)
    for name, one in found.items():
        assert together[name] == pytest.approx(one.interval(0.9, draws=300, seed=4))
    assert bootstrap_intervals({}) == {}
    nobody = importance_sampling(np.ones((50, 1)), np.full((50, 1), -np.inf), np.ones((50, 1)))
    assert bootstrap_intervals({"nobody": nobody})["nobody"] == nobody.interval() == (-np.inf, np.inf)
    with pytest.raises(ValueError, match="same stays"):
        bootstrap_intervals({"a": found["importance_sampling"], "b": importance_sampling(**bandit(0, 49))})


def test_a_paired_difference_is_narrower_than_two_apart() -> None:
    data = bandit(12, 400)
    target = weighted_importance_sampling(**data)
    clinician = weighted_importance_sampling(data["reward"], np.zeros((400, 1)), data["mask"])
    difference = target.minus(clinician)
    assert difference.value == pytest.approx(target.value - clinician.value)
    assert np.diff(difference.interval()) < np.diff(target.interval())
    assert target.minus(target).interval() == pytest.approx((0, 0))
    assert difference.weight is None and difference.verdict == "supported"
    assert difference.effective_sample_size == pytest.approx(target.effective_sample_size)
    with pytest.raises(ValueError, match="same stays"):
        target.minus(weighted_importance_sampling(**bandit(0, 399)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["importance_sampling", "weighted_importance_sampling"])
def test_coverage(name: str, method: str) -> None:
    """The truth is 0.75; of 600 cohorts of 300 skewed stays about 94 % should hold it (standard error .0097)."""
    held = 0
    for seed in range(600):
        estimate = ESTIMATORS[name].function(**bandit(seed, 300), discount=1.0)
        low, high = estimate.interval(method=method, draws=300, seed=seed)
        held += low <= 0.75 <= high
    assert 0.91 <= held / 600 <= 0.97


def test_distribution_free_bounds_always_hold() -> None:
    held = 0
    for seed in range(200):
        data = bandit(seed, 30)
        data["reward"] = np.clip(data["reward"], -1, 3)
        estimate = importance_sampling(**data)
        hoeffding = estimate.interval(method="hoeffding", value_range=(-1.5, 4.5))
        low, high = estimate.interval(method="student_t")
        held += hoeffding[0] < low and high < hoeffding[1]
    assert held == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 95}, "level"),
        ({"draws": 0}, "draws"),
        ({"method": "bayes"}, "unknown interval method 'bayes'"),
        ({"cluster": np.zeros(3)}, r"cluster: expected shape \(10,\)"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        importance_sampling(**bandit(0, 10)).interval(**arguments)


def test_independent_decision_times_add_their_variances() -> None:
    rng = RNG(0)
    mask = np.ones((20000, 18), bool)
    estimate = weighted_per_decision_importance_sampling(rng.normal(size=mask.shape), np.zeros(mask.shape), mask)
    low, high = estimate.interval(draws=300)
    assert np.sqrt(18 / 20000) * 3.92 == pytest.approx(high - low, rel=0.15)
