"""`estimate`: ratios from policies, blends, masks, patients, and the table of estimators."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Decisions
from posology.evaluation import ESTIMATORS, estimate
from posology.evaluation.off_policy import log_ratio
from posology.evaluation.off_policy.ratios import ratios
from torch import Tensor


@dataclass(frozen=True)
class Softmax:
    """A discrete policy linear in the observation; refuses rubbish, so that it shows who asks about the padding."""

    weights: Tensor  # (O, A)
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        assert obs.isfinite().all()
        logits = obs @ self.weights
        return (logits if allowed is None else logits.masked_fill(~allowed, -torch.inf)).softmax(1)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return self.probs(obs, allowed).argmax(1)


@dataclass(frozen=True)
class Normal:
    """A continuous policy without action probabilities."""

    mean: float
    noise_dim: int = 1

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return torch.distributions.Normal(self.mean, 1.0).log_prob(action).sum(1)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return noise + self.mean


@dataclass(frozen=True)
class Doctor:
    """A clinician, who acts on states that no log shows."""

    noise_dim: int = 1

    def dose(self, state: object, noise: Tensor) -> Tensor:
        raise AssertionError("not asked")

    def log_prob(self, state: object, dose: Tensor) -> Tensor:
        raise AssertionError("not asked")


def policy(seed: int, scale: float = 1.0) -> Softmax:
    return Softmax(scale * torch.randn(3, 4, generator=torch.Generator().manual_seed(seed)))


def cohort(stays: int = 60, behavior: Softmax | None = None, allowed: bool = False) -> Decisions:
    random = torch.Generator().manual_seed(1)
    mask = torch.arange(5) < torch.randint(1, 6, (stays, 1), generator=random)
    obs = torch.randn(stays, 6, 3, generator=random)
    probs = (behavior or policy(0)).probs(obs[:, :-1].reshape(-1, 3), None)
    action = torch.multinomial(probs, 1, generator=random).reshape(stays, 5)
    obs[:, :-1][~mask] = torch.nan
    return Decisions(
        obs=obs,
        action=torch.where(mask, action, 99),
        allowed=torch.rand(stays, 6, 4, generator=random) < 0.8 if allowed else None,
        reward=torch.where(mask, torch.randn(stays, 5, generator=random), 0.0),
        hours=mask * 4.0,
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays) // 2,
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


def logged_probs(who: Softmax, data: Decisions, masked: bool = False) -> np.ndarray:
    """Probability of each logged action, one by one; 1 after the end."""
    found = np.ones(data.mask.shape)
    for i, t in np.argwhere(data.mask.numpy()):
        allowed = data.allowed[i, t][None] if masked and data.allowed is not None else None
        found[i, t] = who.probs(data.obs[i, t][None], allowed)[0, data.action[i, t]]
    return found


def test_log_ratio_of_the_logged_action() -> None:
    data, target, behavior = cohort(), policy(1), policy(0)
    expected = np.log(logged_probs(target, data) / logged_probs(behavior, data))
    assert log_ratio(data, target, behavior) == pytest.approx(expected, abs=1e-5)


def test_masks_bind_the_target_only() -> None:
    data, target, behavior = cohort(allowed=True), policy(1), policy(0)
    with np.errstate(divide="ignore"):
        expected = np.log(logged_probs(target, data, masked=True) / logged_probs(behavior, data))
    assert np.isneginf(expected).any()
    assert log_ratio(data, target, behavior) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("base", ["clinician", "behavior", "equal", "other"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_ratio_of_a_blend(share: float, base: str) -> None:
    data, target, behavior = cohort(), policy(1), policy(0)
    below = {"clinician": Doctor(), "behavior": behavior, "equal": policy(0), "other": policy(2)}[base]
    theirs = logged_probs(policy(2) if base == "other" else behavior, data)
    expected = (share * logged_probs(target, data) + (1 - share) * theirs) / logged_probs(behavior, data)
    assert np.exp(log_ratio(data, Blend(target, below, share), behavior)) == pytest.approx(expected, rel=1e-4)


def test_recorded_propensities_stand_in_for_a_behaviour_policy() -> None:
    data, target, behavior = cohort(), policy(1), policy(0)
    recorded = data.replace(log_behavior=torch.tensor(np.log(logged_probs(behavior, data))))
    assert log_ratio(recorded, target, None) == pytest.approx(log_ratio(data, target, behavior), abs=1e-5)
    with pytest.raises(ValueError, match="no log_behavior"):
        log_ratio(data, target, None)


def test_rare_actions_and_excess_probability() -> None:
    data, target, behavior = cohort(), policy(1), policy(0, scale=4.0)
    found = ratios(data, target, behavior)
    usual = logged_probs(behavior, data)
    assert (found.rare == (usual < 0.01)).all() and found.rare.any()
    i, t = np.argwhere(data.mask.numpy())[3]
    wanted, known = (who.probs(data.obs[i, t][None], None)[0].numpy() for who in (target, behavior))
    expected = np.maximum(wanted - known, 0)[known < 0.01].sum()
    assert found.excess is not None and found.excess[i, t] == pytest.approx(expected, abs=1e-6)
    assert (found.excess[~data.mask.numpy()] == 0).all()
    blend = ratios(data, Blend(target, Doctor(), 0.25), behavior).excess
    assert blend == pytest.approx(0.25 * found.excess, abs=1e-6)
    own = ratios(data, behavior, behavior)
    assert own.excess is not None and not own.excess.any() and not own.log_ratio.any()


def test_continuous_actions_need_densities_only() -> None:
    data = cohort().replace(action=torch.randn(60, 5, 2, generator=torch.Generator().manual_seed(3)))
    found = ratios(data, Normal(0.5), Normal(0.0))
    assert found.excess is None
    expected = (0.5 * data.action.double().sum(2) - 0.25).numpy() * data.mask.numpy()
    assert found.log_ratio == pytest.approx(expected, abs=1e-5)


def test_a_policy_that_is_the_behaviour_gets_the_mean_return() -> None:
    data = cohort(400)
    for found in estimate(data, policy(0), policy(0)).values():
        assert found.value == pytest.approx(float(data.reward.sum(1).mean()), abs=1e-6)
        assert found.verdict == "supported"


def test_estimate_runs_the_named_estimators_by_patient() -> None:
    data, target, behavior = cohort(), policy(1), policy(0)
    found = estimate(data, target, behavior, ["weighted_importance_sampling"], discount=0.9)
    assert list(found) == ["weighted_importance_sampling"]
    one = found["weighted_importance_sampling"]
    direct = ESTIMATORS["weighted_importance_sampling"].function(
        reward=data.reward, log_ratio=log_ratio(data, target, behavior), mask=data.mask, discount=0.9
    )
    assert one.value == direct.value
    assert one.interval() == direct.interval(cluster=data.subject) != direct.interval()
    assert one.weights[0].rare_share is not None and one.weights[0].excess_share is not None
    family = {
        name for name, entry in ESTIMATORS.items() if set(entry.needs) == set(ESTIMATORS["importance_sampling"].needs)
    }
    assert set(estimate(data, target, behavior)) == family and len(family) == 4


def test_estimates_recover_the_truth_of_a_bandit() -> None:
    """One decision of 20,000 patients; reward = action, so the value is the target's mean action."""
    data = cohort(20000)
    data = data.replace(mask=(torch.arange(5) == 0).expand(20000, 5), subject=torch.arange(20000))
    data = data.replace(reward=torch.where(data.mask, data.action.float(), 0.0))
    target = policy(1)
    truth = float((target.probs(data.obs[:, 0], None) @ torch.arange(4.0)).mean())
    for found in estimate(data, target, policy(0)).values():
        low, high = found.interval(0.999, draws=300)
        assert low < truth < high and high - low < 0.35


def test_unknown_estimators_are_named() -> None:
    with pytest.raises(ValueError, match="unknown estimator 'wis'; expected one of importance_sampling"):
        estimate(cohort(), policy(1), policy(0), ["wis"])


def test_a_behaviour_that_rules_out_what_happened_is_refused() -> None:
    data = cohort()
    never = Softmax(torch.tensor([[0.0, -1e4, 0.0, 0.0]]).expand(3, 4))
    with pytest.raises(ValueError, match="behaviour policy must give every logged action"):
        estimate(data.replace(obs=data.obs.abs()), policy(1), never)
