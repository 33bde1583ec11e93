import logging
import math

import pytest
import torch
from posology.contracts import IN_CARE
from posology.envs import decisions
from posology.envs.constraints import sepsis_limits
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.logged import logged_costs
from posology.trajectories.rollout import rollout


@pytest.fixture
def core(toy):
    return DoseTreatment(toy, constraints=sepsis_limits(toy.spec), horizon=6, enforce=True)


@pytest.fixture
def simulated(core, uniform):
    return rollout(DoseTreatment(core.patient, core.constraints, horizon=6), uniform, 300, seed=1)


def test_a_simulated_stay_reads_the_same_as_a_logged_one(core, simulated):
    """Observations, actions, rewards and ends of a rollout are recovered from its trajectories alone."""
    lived, read = simulated.decisions, decisions(core, simulated.trajectories)
    assert {0, 1, 2} == set(simulated.trajectories.outcome.tolist())
    valid = torch.cat([lived.mask, (simulated.trajectories.outcome == IN_CARE)[:, None]], 1)
    valid[:, 1:] &= lived.mask
    assert torch.allclose(read.obs[valid], lived.obs[valid], atol=1e-5)
    assert torch.equal(read.action[lived.mask], lived.action[lived.mask])
    for name in ("reward", "hours", "mask", "terminated", "subject", "site", "context"):
        assert torch.equal(getattr(read, name), getattr(lived, name)), name
    assert read.log_behavior is None
    assert read.allowed is not None and not read.allowed.all()
    assert torch.allclose(logged_costs(core, simulated.trajectories), simulated.costs, atol=1e-5)
    assert (simulated.costs > 0).any()


class Spread:
    """Any continuous action."""

    noise_dim = 2

    def act(self, obs, allowed, noise):
        return 2 * torch.special.ndtr(noise) - 1

    def log_prob(self, obs, allowed, action):
        return torch.full((len(action),), -2 * math.log(2))


def test_continuous_actions_are_recovered_from_the_doses_given(toy):
    core = DoseTreatment(toy, horizon=6, action="continuous")
    done = rollout(core, Spread(), 50, seed=1)
    lived, read = done.decisions, decisions(core, done.trajectories)
    assert lived.action.shape == (50, 6, 2) and lived.allowed is None
    assert torch.allclose(read.action[lived.mask], lived.action[lived.mask], atol=1e-5)
    assert torch.equal(read.reward, lived.reward)
    assert len(lived.action[lived.mask].unique()) > 100


def test_reward_is_paid_once_and_only_to_survivors(core, simulated):
    reward = decisions(core, simulated.trajectories).reward.sum(1)
    assert torch.equal(reward, (simulated.trajectories.outcome != 2).float())


def test_longer_records_are_cut_at_the_horizon(toy, core, simulated):
    short = DoseTreatment(toy, horizon=4)
    cut = decisions(short, simulated.trajectories)
    assert cut.action.shape == (300, 4) and cut.obs.shape[1] == 5
    went_on = simulated.trajectories.length > 4
    assert went_on.any() and not cut.terminated[went_on].any()
    assert torch.equal(cut.reward[went_on].sum(1), torch.ones(int(went_on.sum())))


def test_stays_that_end_in_care_too_early_are_counted_aloud(core, simulated, caplog):
    t = simulated.trajectories
    censored = t.replace(outcome=torch.where(t.length < 6, IN_CARE, t.outcome))
    with caplog.at_level(logging.WARNING):
        reward = decisions(core, censored).reward.sum(1)
    early = int(((censored.outcome == IN_CARE) & (t.length < 6)).sum())
    assert f"{early} of 300 stays end in care before the horizon" in caplog.text
    assert (reward[censored.outcome == IN_CARE] == 1).all()


def test_another_spec_is_refused_by_name(core, simulated):
    spec = core.spec
    other = simulated.trajectories.replace(spec=type(spec)(spec.features[:1], spec.drugs, spec.context))
    with pytest.raises(ValueError, match="features: expected 2, got 1"):
        decisions(core, other)
