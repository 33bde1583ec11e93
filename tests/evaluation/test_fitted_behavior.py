"""Fitted behaviour policies: their error in intervals, and a wrong one seen by whether weights and critic agree."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Decisions
from posology.evaluation.off_policy import (
    CriticConfig,
    behavior_refits,
    bootstrap_intervals,
    estimate,
    fitted_q_evaluation,
)
from torch import Tensor

STAYS, DECISIONS = 2000, 3
WIS, WDR = "weighted_importance_sampling", "weighted_doubly_robust"


@dataclass(frozen=True)
class Leaning:
    """Two actions; the second with probability `ill` where the first column is 1, else `well`."""

    well: float
    ill: float
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        second = torch.where(obs[:, 0] > 0, self.ill, self.well)
        return torch.stack((1 - second, second), 1)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return (torch.special.ndtr(noise[:, 0]) < self.probs(obs, allowed)[:, 1]).long()


def cohort(seed: int, behavior: Leaning, stays: int = STAYS) -> Decisions:
    """Who is ill stays so and fares worse; the second action does nothing: the value is that of the clinicians."""
    rng = np.random.default_rng(seed)
    ill = rng.random(stays) < 0.5
    obs = torch.zeros(stays, DECISIONS + 1, 2)
    obs[..., 0] = torch.as_tensor(ill)[:, None]
    obs[..., 1] = torch.arange(DECISIONS + 1)
    second = rng.random((stays, DECISIONS)) < np.where(ill, behavior.ill, behavior.well)[:, None]
    reward = torch.zeros(stays, DECISIONS)
    reward[:, -1] = torch.as_tensor(rng.random(stays) < np.where(ill, 0.4, 0.9))
    return Decisions(
        obs=obs,
        action=torch.as_tensor(second).long(),
        allowed=None,
        reward=reward,
        hours=torch.full((stays, DECISIONS), 4.0),
        mask=torch.ones(stays, DECISIONS, dtype=torch.bool),
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays) + 10_000 * seed,
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


CLINICIANS = Leaning(0.4, 0.6)
TARGET = Leaning(0.5, 0.5)
WRONG = Leaning(0.5, 0.5 + 1e-6)  # knows how often, not whom
TRUTH = 0.65


def fitted(train: Decisions, tuning: Decisions, seed: int) -> Leaning:
    """Shares among the well and the ill, and a little of one half."""
    ill, second = train.obs[:, 0, 0] > 0, train.action.double()
    well, other = ((float(x.sum()) + 1) / (x.numel() + 2) for x in (second[~ill], second[ill]))
    return Leaning(well, other)


def judged(held_out: Decisions, behavior: Leaning, target: Leaning | Blend, refits: tuple[Leaning, ...]):
    critic = fitted_q_evaluation(
        held_out, target, train=cohort(1, CLINICIANS), behavior=behavior, config=CriticConfig(kind="linear")
    )
    return estimate(held_out, target, behavior, [WIS, WDR], q=critic.q, v=critic.v, refits=refits)


def test_a_wrong_behavior_policy_is_seen_and_a_right_one_is_not_blamed() -> None:
    far = Leaning(0.85, 0.85)
    seen = []
    for seed in range(2, 6):
        held_out = cohort(seed, CLINICIANS)
        right = judged(held_out, CLINICIANS, far, (CLINICIANS, CLINICIANS))[WIS]
        wrong = judged(held_out, WRONG, far, (WRONG, WRONG))[WIS]
        bare = replace(wrong, gap=None)
        assert right.verdict == "supported"
        assert bare.verdict == "supported" and not bare.interval()[0] < TRUTH < bare.interval()[1]
        assert "doubly robust" in wrong.reasons[0]
        seen.append(wrong.verdict)
    assert set(seen) <= {"weak", "not evaluable"} and "not evaluable" in seen


def test_without_a_critic_a_fitted_policy_supports_nothing() -> None:
    held_out = cohort(2, CLINICIANS)
    found = estimate(held_out, TARGET, CLINICIANS, [WIS], refits=(CLINICIANS, CLINICIANS))[WIS]
    assert (found.verdict, found.reasons) == ("weak", ("no critic checks the fitted behaviour policy",))
    assert found.subset(np.arange(500)).verdict == "weak"


def test_a_subset_and_a_difference_keep_the_check() -> None:
    held_out = cohort(3, CLINICIANS)
    far = Leaning(0.85, 0.85)
    wrong = judged(held_out, WRONG, far, (WRONG, WRONG))[WIS]
    theirs = judged(held_out, WRONG, WRONG, (WRONG, WRONG))[WIS]
    assert wrong.subset(np.arange(STAYS)).judged() == wrong.judged()
    assert wrong.minus(theirs).verdict == wrong.verdict


def test_refits_widen_the_interval_by_their_scatter() -> None:
    held_out = cohort(4, CLINICIANS)
    refits = tuple(Leaning(0.4 + x, 0.6 - x) for x in (-0.1, -0.05, 0.0, 0.05, 0.1))
    found = judged(held_out, CLINICIANS, TARGET, refits)[WIS]
    alone = [estimate(held_out, TARGET, one, [WIS])[WIS].value for one in refits]
    assert found.shifts == pytest.approx((np.array(alone) - np.mean(alone)) * (5 / 4) ** 0.5)
    assert found.shifts.std() == pytest.approx(np.std(alone, ddof=1))
    plain = replace(found, shifts=None)
    for method in ("bootstrap", "normal", "delta", "student_t"):
        (low, high), (left, right) = found.interval(method=method), plain.interval(method=method)
        ratio = (high - low) / (right - left)
        error = (right - left) / 3.92
        assert ratio == pytest.approx(np.hypot(error, found.shifts.std()) / error, rel=0.15)
        assert (low + high) / 2 == pytest.approx((left + right) / 2, abs=0.25 * error)
    assert bootstrap_intervals({"one": found})["one"] == pytest.approx(found.interval())


def test_the_behavior_policy_itself_is_not_moved_by_refits() -> None:
    held_out = cohort(5, CLINICIANS)
    refits = (Leaning(0.3, 0.5), Leaning(0.5, 0.7))
    for target in (CLINICIANS, Blend(CLINICIANS, CLINICIANS, 0.5)):
        found = estimate(held_out, target, CLINICIANS, [WIS], refits=refits)[WIS]
        assert (np.abs(found.shifts).max() == 0) == (target is CLINICIANS)
    own = estimate(held_out, CLINICIANS, CLINICIANS, [WIS], refits=refits)[WIS]
    assert own.interval() == replace(own, shifts=None).interval()


def test_intervals_with_refits_hold_the_truth_where_those_without_do_not() -> None:
    """Forty stays to fit on: what the fit gets wrong is most of the error."""
    target = Leaning(0.8, 0.3)
    held = np.zeros(2)
    for seed in range(60):
        small, held_out = cohort(2 * seed + 100, CLINICIANS, 25), cohort(2 * seed + 101, CLINICIANS)
        behavior = fitted(small, small, 0)
        refits = behavior_refits(fitted, small, small, 20, seed=seed)
        found = estimate(held_out, target, behavior, [WIS], refits=refits)[WIS]
        for k, one in enumerate((replace(found, shifts=None), found)):
            low, high = one.interval(method="normal", draws=100)
            held[k] += low <= TRUTH <= high
    assert held[0] / 60 < 0.75
    assert held[1] / 60 > 0.85


def test_critics_of_a_blend_do_not_see_the_fitted_policy() -> None:
    held_out, train = cohort(6, CLINICIANS), cohort(1, CLINICIANS)
    found = []
    for behavior in (CLINICIANS, WRONG):
        target = Blend(TARGET, behavior, 0.3)
        found.append(
            fitted_q_evaluation(
                held_out, target, train=train, behavior=behavior, config=CriticConfig(kind="linear")
            )  # fmt: skip
        )
    assert np.array_equal(found[0].q, found[1].q) and np.array_equal(found[0].v, found[1].v)
    assert found[0].v[:, 0].mean() == pytest.approx(TRUTH, abs=0.04)


def test_refits_are_drawn_by_patient_and_repeat_themselves() -> None:
    train = cohort(1, CLINICIANS, 200)
    once, again = (behavior_refits(fitted, train, train, 3, seed=2) for _ in range(2))
    assert once == again and len({one.well for one in once}) == 3
    with pytest.raises(ValueError, match="at least two"):
        behavior_refits(fitted, train, train, 1)


@pytest.mark.parametrize("seed", range(2, 6))
def test_rounding_is_no_disagreement(seed: int) -> None:
    """The fitted clinicians themselves weigh every stay alike, so that their gap is nothing but rounding."""
    found = judged(cohort(seed, CLINICIANS), CLINICIANS, CLINICIANS, (CLINICIANS, CLINICIANS))
    assert {one.verdict for one in found.values()} == {"supported"}
    assert all(
        replace(one, gap=one.gap and replace(one.gap, num=one.gap.num + 1e-15)).verdict == "supported"
        for one in found.values()
    )
