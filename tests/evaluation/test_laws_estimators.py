"""What holds for every estimator in the table."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from posology.evaluation.off_policy import ESTIMATORS

Inputs = dict[str, np.ndarray]
RATIOS = {"reward", "log_ratio", "mask", "discount"}
FAMILY = [name for name, entry in ESTIMATORS.items() if set(entry.needs) == RATIOS]
BLENDED = "magic"  # which may lean on the critic, and weighs it by how much is known
CUMULATED = [name for name, entry in ESTIMATORS.items() if set(entry.needs) >= RATIOS and "state" not in entry.needs]
every = pytest.mark.parametrize("name", ESTIMATORS)
cumulated = pytest.mark.parametrize("name", CUMULATED)
family = pytest.mark.parametrize("name", FAMILY)
cohorts = st.integers(0, 10**6)


def cohort(seed: int, stays: int = 12, decisions: int = 5) -> Inputs:
    """Ragged stays, negative rewards, impossible actions, rubbish in the padding."""
    rng = np.random.default_rng(seed)
    mask = np.arange(decisions) < rng.integers(0, decisions + 1, stays)[:, None]
    log_ratio = rng.normal(0, 0.8, mask.shape)
    log_ratio[rng.random(mask.shape) < 0.05] = -np.inf
    log_ratio[0] = 0  # one stay always keeps some weight
    reward = rng.normal(-0.5, 1, mask.shape)
    after = np.hstack((mask, np.zeros((stays, 1), bool)))
    wide = mask[..., None]
    return {
        "reward": np.where(mask, reward, np.nan),
        "log_ratio": np.where(mask, log_ratio, np.inf),
        "mask": mask,
        "discount": rng.uniform(0.5, 1, mask.shape),
        "q": np.where(mask, rng.normal(size=mask.shape), np.nan),
        "v": np.where(after, rng.normal(size=after.shape), np.where(np.arange(decisions + 1) == 0, 0, np.nan)),
        "state": np.where(wide, rng.normal(size=(*mask.shape, 1)), np.nan),
        "dose": np.where(wide, rng.normal(size=(*mask.shape, 2)), np.nan),
        "target_dose": np.where(wide, rng.normal(size=(*mask.shape, 2)), np.nan),
        "log_behavior": np.where(mask, rng.normal(-1, 0.5, mask.shape), np.nan),
        "bandwidth": np.array([0.8, 1.2]),
        "cluster": np.arange(stays),
    }


def run(name: str, inputs: Inputs, **changes: np.ndarray):
    entry = ESTIMATORS[name]
    given_ = {**inputs, **changes}
    return entry.function(**{need: given_[need] for need in entry.needs})


def rows(inputs: Inputs, index: np.ndarray) -> Inputs:
    return {key: value if key == "bandwidth" else value[index] for key, value in inputs.items()}


def methods(estimate) -> tuple[str, ...]:
    linear = estimate.statistic is None or estimate.statistic.smooth
    return ("bootstrap", "normal", "bca", *(("delta", "student_t") if linear else ()))


@pytest.mark.parametrize("name", [name for name in CUMULATED if name != BLENDED])
@settings(deadline=None, max_examples=25)
@given(seed=cohorts)
def test_target_equal_to_behaviour_gives_the_mean_return(name: str, seed: int) -> None:
    """Whatever the critic, if it says the same of the action as of the state."""
    inputs = cohort(seed)
    returns = np.where(inputs["mask"], inputs["reward"] * inputs["discount"], 0).sum(1)
    estimate = run(name, inputs, log_ratio=np.zeros(inputs["mask"].shape), q=inputs["v"][:, :-1])
    assert estimate.value == pytest.approx(returns.mean())
    assert estimate.effective_sample_size == pytest.approx(len(returns))
    assert estimate.mean_weight == 1
    assert estimate.max_weight_share == pytest.approx(1 / len(returns))


@every
@settings(deadline=None, max_examples=25)
@given(seed=cohorts)
def test_the_order_of_stays_does_not_matter(name: str, seed: int) -> None:
    inputs = cohort(seed)
    order = np.random.default_rng(seed).permutation(len(inputs["mask"]))
    one, other = run(name, inputs), run(name, rows(inputs, order))
    for method in methods(one)[3:]:
        assert other.interval(method=method) == pytest.approx(one.interval(method=method))
    assert other.value == pytest.approx(one.value)
    assert other.effective_sample_size == pytest.approx(one.effective_sample_size)
    assert other.verdict == one.verdict


@every
@settings(deadline=None, max_examples=25)
@given(seed=cohorts, columns=st.integers(1, 4))
def test_padding_changes_nothing(name: str, seed: int, columns: int) -> None:
    inputs = cohort(seed)
    wider = {
        key: np.concatenate((value, np.full((len(value), columns, *value.shape[2:]), np.nan)), 1)
        for key, value in inputs.items()
        if value.ndim > 1
    }
    wider = {**inputs, **wider, "mask": wider["mask"] == 1}
    one, other = run(name, inputs), run(name, wider)
    assert other.value == pytest.approx(one.value)
    assert other.interval(draws=200) == pytest.approx(one.interval(draws=200))
    assert other.effective_sample_size == pytest.approx(one.effective_sample_size)
    assert (other.verdict, other.reasons) == (one.verdict, one.reasons)


@every
@settings(deadline=None, max_examples=8)
@given(seed=cohorts)
def test_duplicating_every_stay_leaves_the_value(name: str, seed: int) -> None:
    inputs = cohort(seed)
    twice = np.repeat(np.arange(len(inputs["mask"])), 2)
    one, other = run(name, inputs), run(name, rows(inputs, twice) | {"cluster": twice})
    assert other.value == pytest.approx(one.value)
    # resampled as the patients that they are, duplicates add no certainty
    for method in methods(one):
        expected = one.interval(method=method, draws=100)
        assert other.interval(method=method, draws=100, cluster=twice) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(ESTIMATORS))
@settings(deadline=None, max_examples=25)
@given(seed=cohorts)
def test_a_subset_is_the_estimate_on_the_subset(name: str, seed: int) -> None:
    inputs = cohort(seed)
    keep = np.arange(len(inputs["mask"])) % 3 == 0
    one, other = run(name, inputs).subset(keep), run(name, rows(inputs, keep))
    assert one.value == pytest.approx(other.value, nan_ok=True)
    if name != "marginalized_importance_sampling":  # whose weights are those of all stays
        assert one.effective_sample_size == pytest.approx(other.effective_sample_size)
    assert run(name, inputs).subset(np.flatnonzero(keep)).value == pytest.approx(other.value, nan_ok=True)
    assert run(name, inputs).subset(torch.tensor(keep)).value == pytest.approx(other.value, nan_ok=True)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != BLENDED])
@settings(deadline=None, max_examples=25)
@given(seed=cohorts)
def test_counts_stand_for_copies(name: str, seed: int) -> None:
    inputs = cohort(seed)
    counts = np.random.default_rng(seed + 1).integers(0, 3, len(inputs["mask"]))
    counts[0] = 1
    copied = run(name, rows(inputs, np.repeat(np.arange(len(counts)), counts)))
    assert run(name, inputs).replicate(counts[None])[0] == pytest.approx(copied.value, nan_ok=True)


@every
@settings(deadline=None, max_examples=25)
@given(seed=cohorts)
def test_every_stay_once_is_the_value(name: str, seed: int) -> None:
    estimate = run(name, cohort(seed))
    assert estimate.replicate(np.ones((1, 12)))[0] == pytest.approx(estimate.value)
    assert estimate.minus(estimate).replicate(np.arange(12.0)[None])[0] == pytest.approx(0)
    if estimate.defined:
        assert np.diff(estimate.minus(estimate).interval(draws=50)) == pytest.approx(0)


@every
def test_scaling_and_shifting_rewards(name: str) -> None:
    inputs = cohort(3)
    one, scaled = run(name, inputs), run(name, {**inputs, **{key: -3 * inputs[key] for key in ("reward", "q", "v")}})
    assert scaled.value == pytest.approx(-3 * one.value)
    low, high = one.interval()
    assert scaled.interval() == pytest.approx((-3 * high, -3 * low))


@family
def test_stays_that_earn_nothing_are_kept(name: str) -> None:
    inputs = {"reward": [[1.0], [0.0], [0.0], [0.0]], "log_ratio": np.zeros((4, 1)), "mask": np.ones((4, 1))}
    estimate = run(name, inputs, discount=1.0)
    assert estimate.value == pytest.approx(0.25)
    assert len(estimate) == estimate.effective_sample_size == 4


@family
def test_short_and_empty_stays_are_kept(name: str) -> None:
    mask = np.array([[True, True], [True, False], [False, False]])
    estimate = run(name, {"reward": np.ones((3, 2)), "log_ratio": np.zeros((3, 2)), "mask": mask}, discount=1.0)
    assert estimate.value == pytest.approx(1.0)  # returns 2, 1, 0


@every
def test_torch_and_numpy_inputs_agree(name: str) -> None:
    inputs = cohort(5)
    tensors = {key: torch.tensor(value) for key, value in inputs.items()}
    assert run(name, tensors).value == run(name, inputs).value
    single = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    assert run(name, single).num.dtype == np.float64


@cumulated
def test_no_weight_left_is_not_evaluable(name: str) -> None:
    """A deterministic target that nobody ever followed: nothing is known, and nothing is claimed."""
    nobody = {"reward": np.ones((200, 2)), "log_ratio": np.full((200, 2), -np.inf), "mask": np.ones((200, 2), bool)}
    critic = {"q": np.ones((200, 2)), "v": np.ones((200, 3)), "cluster": np.arange(200)}
    estimate = run(name, {**nobody, **critic}, discount=1.0)
    assert estimate.effective_sample_size == 0 and estimate.max_weight_share == 1
    assert estimate.verdict == "not evaluable"
    assert estimate.interval() == (-np.inf, np.inf)
    assert np.isnan(estimate.value) or "weighted" not in name


@family
def test_a_deterministic_target_uses_only_those_who_followed(name: str) -> None:
    reward = np.array([[5.0], [7.0], [-3.0], [1.0]])
    log_ratio = np.array([[np.log(2)], [-np.inf], [np.log(2)], [-np.inf]])
    estimate = run(name, {"reward": reward, "log_ratio": log_ratio, "mask": np.ones((4, 1))}, discount=1.0)
    assert estimate.value == pytest.approx(1.0)  # all four: (2 * 5 - 2 * 3) / 4 = (5 - 3) / 2
    assert estimate.effective_sample_size == pytest.approx(2)
