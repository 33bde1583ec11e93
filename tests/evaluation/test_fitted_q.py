"""Fitted Q evaluation against dynamic programming, and what it must never read."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Decisions
from posology.evaluation.off_policy import CriticConfig, estimate, fitted_q_evaluation
from torch import Tensor

STATES, ACTIONS, HORIZON = 3, 2, 4
LINEAR = CriticConfig(kind="linear", ridge=1e-6, folds=2)
RNG = np.random.default_rng


@dataclass(frozen=True)
class Table:
    """Action probabilities by state, read off a one-hot observation of (time, state)."""

    by_state: Tensor  # (S, A)
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        found = self.by_state[obs.reshape(len(obs), HORIZON, STATES).sum(1).argmax(1)].float()
        if allowed is None:
            return found
        found = found * allowed
        return found / found.sum(1, keepdim=True)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        raise AssertionError("not asked")


@dataclass(frozen=True)
class Problem:
    """A small decision process of four decisions with death, and its exact values."""

    behavior: np.ndarray  # (S, A)
    target: np.ndarray  # (S, A)
    move: np.ndarray  # (S, A, S + 1); the last is the end
    reward: np.ndarray  # (S, A, S + 1)

    def exact(self, discount: float) -> tuple[np.ndarray, np.ndarray]:
        """q (T, S, A) and v (T + 1, S)."""
        v, q = np.zeros((HORIZON + 1, STATES)), np.zeros((HORIZON, STATES, ACTIONS))
        for t in reversed(range(HORIZON)):
            q[t] = (self.move * (self.reward + discount * np.append(v[t + 1], 0))).sum(2)
            v[t] = (self.target * q[t]).sum(1)
        return q, v

    def cohort(self, stays: int, seed: int) -> tuple[Decisions, np.ndarray]:
        rng = RNG(seed)
        state = rng.integers(0, STATES, stays)
        states, action = np.zeros((stays, HORIZON), int), np.zeros((stays, HORIZON), int)
        reward, mask = np.zeros((stays, HORIZON)), np.zeros((stays, HORIZON), bool)
        alive = np.ones(stays, bool)
        for t in range(HORIZON):
            states[:, t], mask[:, t] = state, alive
            action[:, t] = rng.random(stays) > self.behavior[state, 0]
            chance = self.move[state, action[:, t]].cumsum(1)
            after = (rng.random((stays, 1)) > chance).sum(1)
            reward[:, t] = alive * self.reward[state, action[:, t], after]
            alive = alive & (after < STATES)
            state = np.minimum(after, STATES - 1)
        obs = torch.full((stays, HORIZON + 1, HORIZON * STATES), torch.nan)
        for t in range(HORIZON):
            obs[mask[:, t], t] = torch.nn.functional.one_hot(
                torch.tensor(states[mask[:, t], t] + t * STATES), HORIZON * STATES
            ).float()
        return decisions(obs, torch.tensor(action), reward, mask), states


def decisions(obs: Tensor, action: Tensor, reward: np.ndarray, mask: np.ndarray) -> Decisions:
    stays = len(mask)
    return Decisions(
        obs=obs,
        action=action,
        allowed=None,
        reward=torch.tensor(np.where(mask, reward, 0.0)),
        hours=torch.tensor(mask * 4.0),
        mask=torch.tensor(mask),
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


def problem(seed: int = 0) -> Problem:
    rng = RNG(seed)
    behavior = rng.uniform(0.3, 0.7, (STATES, 1))
    return Problem(
        np.hstack((behavior, 1 - behavior)),
        rng.dirichlet((1, 1), STATES),
        rng.dirichlet(np.full(STATES + 1, 2), (STATES, ACTIONS)),
        rng.normal(-0.5, 1, (STATES, ACTIONS, STATES + 1)),
    )


def empirical(data: Decisions, states: np.ndarray, target: np.ndarray, discount: float) -> np.ndarray:
    """v (T + 1, S) of the process that the counts describe: what a tabular critic must find, to the last digit."""
    v = np.zeros((HORIZON + 1, STATES))
    mask, action, reward = data.mask.numpy(), data.action.numpy(), data.reward.numpy()
    after = np.hstack((mask[:, 1:], np.zeros((len(mask), 1), bool)))
    for t in reversed(range(HORIZON)):
        following = np.zeros(len(mask))
        if t + 1 < HORIZON:
            following = after[:, t] * v[t + 1, states[:, t + 1]]
        for s in range(STATES):
            for a in range(ACTIONS):
                rows = mask[:, t] & (states[:, t] == s) & (action[:, t] == a)
                v[t, s] += target[s, a] * (reward[rows, t] + discount * following[rows]).mean()
    return v


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_a_tabular_critic_is_the_exact_value_of_the_counted_process(discount: float) -> None:
    case = problem()
    data, states = case.cohort(1500, 1)
    train, other = data.rows(torch.arange(1200)), data.rows(torch.arange(1200, 1500))
    policy = Table(torch.tensor(case.target))
    found = fitted_q_evaluation(other, policy, train=train, discount=discount, config=LINEAR)
    expected = empirical(train, states[:1200], case.target, discount)
    mask = other.mask.numpy()
    for t in range(HORIZON):
        rows = mask[:, t]
        assert found.v[rows, t] == pytest.approx(expected[t, states[1200:][rows, t]], abs=1e-5)
    after = np.hstack((mask, np.zeros((300, 1), bool)))
    assert not found.v[~after].any() and not found.q[~mask].any() and not found.spread.any()


def test_a_reward_at_the_end_reaches_the_beginning_whatever_the_features_say() -> None:
    """Stays of four decisions, alive in the end in 80 %; features that tell neither state nor time."""
    rng = RNG(11)
    obs, mask = torch.tensor(rng.normal(size=(1000, HORIZON + 1, HORIZON * STATES))), np.ones((1000, HORIZON), bool)
    reward = np.zeros(mask.shape)
    reward[:, -1] = rng.random(1000) < 0.8
    data = decisions(obs, torch.tensor(rng.integers(0, ACTIONS, mask.shape)), reward, mask)
    policy = Table(torch.full((STATES, ACTIONS), 0.5))
    found = fitted_q_evaluation(data, policy, config=CriticConfig(kind="linear", folds=2))
    assert found.v[:, 0].mean() == pytest.approx(reward.sum(1).mean(), abs=0.02)
    assert min(found.rounds) > HORIZON and max(found.rounds) <= 61


def test_cross_fitting_never_shows_a_patient_to_their_own_critic() -> None:
    case = problem(1)
    data, _ = case.cohort(300, 2)
    data = data.replace(subject=torch.arange(300) // 2)
    policy = Table(torch.tensor(case.target))
    plain = fitted_q_evaluation(data, policy, config=LINEAR)
    loud = data.replace(reward=torch.where((torch.arange(300) == 7)[:, None] & data.mask, 1e6, data.reward))
    changed = fitted_q_evaluation(loud, policy, config=LINEAR)
    assert changed.v[6:8] == pytest.approx(plain.v[6:8])  # the patient's own two stays
    assert abs(changed.v - plain.v).max() > 1000


def test_explicit_discount_factors_are_the_same_discount() -> None:
    case = problem(2)
    data, _ = case.cohort(200, 3)
    policy = Table(torch.tensor(case.target))
    factors = np.where(data.mask.numpy(), 0.8 ** np.arange(HORIZON), np.nan)
    one = fitted_q_evaluation(data, policy, discount=0.8, config=LINEAR)
    assert fitted_q_evaluation(data, policy, discount=factors, config=LINEAR).v == pytest.approx(one.v)


def test_masks_bind_the_target() -> None:
    case = problem(3)
    data, _ = case.cohort(400, 4)
    allowed = torch.ones(400, HORIZON + 1, ACTIONS, dtype=torch.bool)
    allowed[..., 1] = False
    masked = fitted_q_evaluation(data.replace(allowed=allowed), Table(torch.tensor(case.target)), config=LINEAR)
    first = Table(torch.tensor([[1.0, 0.0]]).expand(STATES, 2))
    assert masked.v == pytest.approx(fitted_q_evaluation(data, first, config=LINEAR).v)


def test_a_blend_into_a_third_policy_is_valued_as_their_mixture() -> None:
    case = problem(4)
    data, _ = case.cohort(400, 5)
    target, third = Table(torch.tensor(case.target)), Table(torch.tensor(case.behavior))
    mixed = Table(torch.tensor(0.3 * case.target + 0.7 * case.behavior))
    blend = fitted_q_evaluation(data, Blend(target, third, 0.3), behavior=target, config=LINEAR)
    assert blend.v == pytest.approx(fitted_q_evaluation(data, mixed, config=LINEAR).v, abs=1e-5)


def test_in_a_blend_into_the_clinicians_what_they_did_stands_for_them() -> None:
    """So that a fitted clinician, here a wrong one, has no part in the critic."""
    case = problem(4)
    data, states = case.cohort(6000, 5)
    wrong = Table(torch.full((STATES, ACTIONS), 0.5))
    blend = fitted_q_evaluation(
        data, Blend(Table(torch.tensor(case.target)), wrong, 0.3), behavior=wrong, config=LINEAR
    )
    q, v = replace(case, target=0.3 * case.target + 0.7 * case.behavior).exact(1.0)
    first, taken = states[:, 0], data.action[:, 0].numpy()
    assert blend.q[:, 0] == pytest.approx(q[0, first, taken], abs=0.15)
    own = 0.3 * (case.target[first] * q[0, first]).sum(1) + 0.7 * q[0, first, taken]
    assert blend.v[:, 0] == pytest.approx(own, abs=0.15)
    assert blend.v[:, 0].mean() == pytest.approx(v[0, first].mean(), abs=0.05)


def test_a_network_ensemble_finds_the_value() -> None:
    case = problem(5)
    data, states = case.cohort(3000, 6)
    config = CriticConfig(members=2, hidden=(32,), folds=2, batch_size=256, rounds=30)
    policy, behavior = Table(torch.tensor(case.target)), Table(torch.tensor(case.behavior))
    found = fitted_q_evaluation(data, policy, config=config)
    _, exact = case.exact(1.0)
    truth = exact[0].mean()
    clinician = float(data.reward.sum(1).mean())
    assert abs(found.v[:, 0].mean() - truth) < 0.05 < abs(clinician - truth)
    error = found.v[:, 0] - exact[0, states[:, 0]]
    assert np.sqrt((error**2).mean()) < 0.12
    assert found.spread[:, 0].mean() > 0 and len(found.rounds) == 4 and min(found.rounds) >= HORIZON
    again = fitted_q_evaluation(data, policy, config=config)
    assert (again.v == found.v).all()
    results = estimate(data, policy, behavior, q=found.q, v=found.v)
    assert results["direct_method"].verdict == "model-based"
    plain, robust = results["per_decision_importance_sampling"], results["doubly_robust"]
    assert robust.verdict == "supported"
    assert robust.value == pytest.approx(truth, abs=0.1)
    assert np.diff(robust.interval(draws=200)) < 0.97 * np.diff(plain.interval(draws=200))


@dataclass(frozen=True)
class Dose:
    """A deterministic dose, proportional to what is seen."""

    gain: float
    noise_dim: int = 0

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return self.gain * obs[:, :1]

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        raise AssertionError("not asked")


def test_a_linear_critic_of_continuous_doses_is_exact_where_the_reward_is_quadratic() -> None:
    rng = RNG(7)
    x = rng.uniform(-1, 1, size=(400, 1))
    dose = rng.normal(size=(400, 1, 1))
    obs = torch.tensor(np.stack((x, x**2), 2)).repeat(1, 2, 1)
    data = decisions(obs, torch.tensor(dose), -((dose[:, :, 0] - 0.7 * x) ** 2), np.ones((400, 1), bool))
    found = fitted_q_evaluation(data, Dose(0.5), config=CriticConfig(kind="linear", ridge=1e-9, folds=2))
    assert found.v[:, 0] == pytest.approx(-((0.5 - 0.7) ** 2) * x[:, 0] ** 2, abs=1e-5)


def test_bad_input_is_refused() -> None:
    case = problem(6)
    data, _ = case.cohort(40, 8)
    policy = Table(torch.tensor(case.target))
    with pytest.raises(ValueError, match="40 stays belong to patients of train"):
        fitted_q_evaluation(data, policy, train=data, config=LINEAR)
    with pytest.raises(ValueError, match="between 2 and 1 folds"):
        fitted_q_evaluation(data.replace(subject=torch.zeros(40, dtype=torch.int64)), policy, config=LINEAR)
    with pytest.raises(ValueError, match="doubly_robust needs q"):
        estimate(data, policy, policy, ["doubly_robust"])
