"""Verdicts turn at their thresholds, each for its own reason, at the worst decision time, by patient."""

from dataclasses import replace

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    Estimate,
    Thresholds,
    direct_method,
    importance_sampling,
    weighted_importance_sampling,
)
from posology.evaluation.off_policy.verdict import judge
from posology.evaluation.off_policy.weights import Weights

N = 2000


def weights(*columns: np.ndarray, **more: np.ndarray) -> Weights:
    with np.errstate(divide="ignore"):
        log = np.log(np.stack(columns, 1))
    return Weights(log, np.ones(log.shape, bool), **more)


def label(one: Weights, cluster: np.ndarray | None = None, value: float = 0.5) -> str:
    return judge([one], cluster, value, Thresholds()).label


def followers(count: int) -> np.ndarray:
    """`count` stays share the weight, with mean 1."""
    w = np.zeros(N)
    w[:count] = N / count
    return w


ONES = np.ones(N)


@pytest.mark.parametrize(
    ("count", "expected"), [(51, "supported"), (49, "weak"), (21, "weak"), (19, "not evaluable"), (1, "not evaluable")]
)
def test_effective_sample_size(count: int, expected: str) -> None:
    assert label(weights(followers(count))) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.099, "supported"), (0.11, "weak"), (0.21, "not evaluable")])
def test_largest_share(share: float, expected: str) -> None:
    w = np.full(N, (1 - share) / (N - 1))
    w[7] = share
    assert label(weights(w * N)) == expected
    assert weights(w * N).largest_share() == pytest.approx([share])


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (1.09, "supported"),
        (0.92, "supported"),
        (1.11, "weak"),
        (0.9, "weak"),
        (1.26, "not evaluable"),
        (0.79, "not evaluable"),
        (0.43, "not evaluable"),
    ],
)
def test_mean_weight(mean: float, expected: str) -> None:
    assert label(weights(mean * ONES)) == expected


def test_the_worst_decision_time_decides() -> None:
    assert label(weights(ONES, followers(30), ONES)) == "weak"
    verdict = judge([weights(ONES, followers(30), ONES)], None, 0.5, Thresholds())
    assert verdict.reasons == ("effective sample of 30 patients",)


def test_the_worst_of_a_difference_decides() -> None:
    assert judge([weights(ONES), weights(followers(10))], None, 0.1, Thresholds()).label == "not evaluable"


def test_stays_of_one_patient_count_as_one() -> None:
    assert label(weights(ONES), np.arange(N) // 60) == "weak"  # 34 patients
    assert label(weights(ONES), np.arange(N) // 120) == "not evaluable"  # 17 patients


def test_weight_held_by_one_patient_over_many_stays() -> None:
    w = np.full(N, 0.88 / (N - 30))
    w[:30] = 0.12 / 30  # thirty stays of .4 % each
    patient = np.maximum(np.arange(N), 29)
    assert label(weights(w * N)) == "supported"
    assert label(weights(w * N), patient) == "weak"


@pytest.mark.parametrize(("excess", "expected"), [(0.04, "supported"), (0.1, "weak"), (0.3, "not evaluable")])
def test_target_probability_where_nobody_goes(excess: float, expected: str) -> None:
    one = weights(ONES, excess=np.full((N, 1), excess))
    assert label(one) == expected
    assert one.excess_share == pytest.approx(excess)


@pytest.mark.parametrize(("share", "expected"), [(0.1, "supported"), (0.2, "weak"), (0.4, "not evaluable")])
def test_decisions_of_small_propensity(share: float, expected: str) -> None:
    assert label(weights(ONES, rare=(np.arange(N) < share * N)[:, None])) == expected


def test_supported_needs_no_reason_and_others_name_theirs() -> None:
    assert judge([weights(ONES)], None, 0.5, Thresholds()).reasons == ()
    verdict = judge([weights(3 * followers(30))], None, 0.5, Thresholds())
    assert verdict.reasons == ("effective sample of 30 patients", "mean weight 3 where 1 is expected")


def test_without_weights_an_estimate_is_model_based() -> None:
    estimate = Estimate("direct_method", np.ones((N, 1)), np.ones((N, 1)), self_normalized=False)
    assert estimate.verdict == "model-based"
    assert estimate.weight is None and estimate.mean_weight == 1 and estimate.max_weight_share == 1 / N


def test_no_number_is_not_evaluable() -> None:
    assert label(weights(ONES), value=float("nan")) == label(weights(ONES), value=float("inf")) == "not evaluable"


def test_other_thresholds() -> None:
    estimate = weighted_importance_sampling(np.ones((40, 1)), np.zeros((40, 1)), np.ones((40, 1)))
    assert estimate.verdict == "weak"
    assert estimate.judged(Thresholds(effective_sample_size=(30, 10))).label == "supported"
    assert estimate.subset(np.arange(15)).verdict == "not evaluable"


def test_sharpened_propensities_raise_the_alarm() -> None:
    """A behaviour model sharpened to half its temperature doubts what clinicians do, and mean weights soar."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.8, (4000, 6))
    action = rng.random(p.shape) < p
    sharp = p**2 / (p**2 + (1 - p) ** 2)
    right, wrong = (np.log(np.where(action, b, 1 - b)) for b in (p, sharp))
    target = np.log(0.5)
    reward = np.zeros(p.shape)
    assert weighted_importance_sampling(reward, target - right, np.ones(p.shape)).mean_weight == pytest.approx(
        1, abs=0.2
    )
    alarmed = weighted_importance_sampling(reward, target - wrong, np.ones(p.shape))
    assert alarmed.mean_weight > 2 and alarmed.verdict == "not evaluable"


def test_each_decision_time_on_its_own_and_each_subgroup() -> None:
    """Ratios that lose the weight bit by bit: early decisions are carried, late ones are not."""
    rng = np.random.default_rng(3)
    log_ratio = np.log(np.where(rng.random((1000, 8)) < 0.5, 1.9, 0.1))
    estimate = weighted_importance_sampling(np.ones(log_ratio.shape), log_ratio, np.ones(log_ratio.shape))
    labels = [verdict.label for verdict in estimate.judged_by_decision()]
    assert labels[0] == "supported" and labels[-1] == "not evaluable" == estimate.verdict
    grades = [("supported", "weak", "not evaluable").index(label) for label in labels]
    assert grades == sorted(grades)
    assert estimate.subset(np.arange(1000) < 40).judged_by_decision()[0].label == "weak"
    assert Estimate("v", np.ones((9, 1)), np.ones((9, 1)), self_normalized=False).judged_by_decision() == ()


def test_what_is_rare_counts_at_its_own_time() -> None:
    rare = np.zeros((N, 2), bool)
    rare[:, 1] = True
    one = weights(ONES, ONES, rare=rare)
    assert judge([one.at(0)], None, 0.5, Thresholds()).label == "supported"
    assert judge([one.at(1)], None, 0.5, Thresholds()).label == "not evaluable"


@pytest.mark.parametrize("value,expected", [(1.0, "model-based"), (0.0, "model-based"), (1.01, "not evaluable")])
def test_what_no_stay_can_be_worth_is_not_evaluable(value: float, expected: str) -> None:
    """A critic that extrapolates beyond every possible return; on the edge, and up to rounding, it may be right."""
    found = replace(direct_method(np.full((50, 3), value)), possible=(0.0, 1.0))
    assert found.verdict == expected and found.subset(np.arange(5)).verdict == expected
    assert replace(found, possible=None).verdict == "model-based"
    assert expected == "model-based" or found.reasons[0] == "no stay can be worth 1.01: returns lie between 0 and 1"


def test_weights_do_not_save_an_impossible_value() -> None:
    reward = np.zeros((200, 2))
    reward[:, 1] = 1.0
    ratio = np.full((200, 2), np.log(1.02))
    found = importance_sampling(reward, ratio, np.ones((200, 2), bool))
    assert found.verdict == "supported" and found.value > 1
    assert replace(found, possible=(0.0, 1.0)).verdict == "not evaluable"
    assert replace(found, possible=(0.0, 2.0)).verdict == "supported"
