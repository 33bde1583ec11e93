"""Irregular decision times: a rule says when the next visit is due."""

import dataclasses

import gymnasium
import pytest
import torch
from posology.contracts import IN_CARE
from posology.envs import decisions
from posology.envs.constraints import sepsis_limits
from posology.envs.dose_treatment import DoseTreatment
from posology.trajectories.noise import seeds
from posology.trajectories.rollout import rollout
from posology.trajectories.ward import open_ward

SHORTEST, HORIZON = 4.0, 10


def sooner_under_norepinephrine(state, dose):
    """2 h (shorter than allowed) where much is given, else 4 h or, from the second visit on, 14 h."""
    return torch.where(dose[:, 1] > 0.1, 2.0, torch.where(state.hours > 0, 14.0, 4.0))


@pytest.fixture
def core(toy):
    limits = sepsis_limits(toy.spec)
    return DoseTreatment(
        toy, limits, horizon=HORIZON, interval_hours=SHORTEST, visits=sooner_under_norepinephrine, enforce=True
    )


def test_the_interval_follows_the_rule_within_the_shortest_and_the_horizon(core):
    state = open_ward(core, seeds(0, 3)).state
    action = torch.tensor([0, 3, 0])
    assert core.interval(state, action).tolist() == [4, 4, 4]
    later = state.replace(hours=torch.tensor([8.0, 8.0, 30.0]))
    assert core.interval(later, action).tolist() == [14, 4, 10]
    beyond = state.replace(hours=torch.full((3,), core.horizon_hours))
    assert core.interval(beyond, action).tolist() == [4, 4, 4]
    assert core.horizon_hours == HORIZON * SHORTEST


def test_stays_end_at_the_horizon_whatever_the_visits(core, uniform):
    done = rollout(core, uniform, 300, seed=1)
    t, d = done.trajectories, done.decisions
    alive = t.outcome == IN_CARE
    assert alive.any() and (~alive).any()
    assert torch.allclose(t.hours.sum(1)[alive], torch.tensor(core.horizon_hours))
    assert (t.hours.sum(1) <= core.horizon_hours).all()
    assert len(set(t.length[alive].tolist())) > 3 and int(t.length.max()) <= HORIZON
    ends = torch.arange(HORIZON) == t.length[:, None] - 1
    assert (t.hours[t.mask & ~ends] >= SHORTEST).all()
    assert (d.reward[alive].sum(1) == 1).all()


def test_logged_irregular_stays_are_rewarded_as_they_were_simulated(core, uniform, caplog):
    done = rollout(core, uniform, 200, seed=2)
    logged = decisions(core, done.trajectories)
    mask = logged.mask
    assert torch.equal(logged.reward, done.decisions.reward) and torch.equal(logged.hours, done.decisions.hours)
    assert torch.allclose(logged.obs[:, :-1][mask], done.decisions.obs[:, :-1][mask], atol=1e-5)
    assert not caplog.records  # nobody in care is taken to have been cut short of the horizon


def test_shells_follow_the_rule(core):
    env = gymnasium.make("posology/Learned-v0", model=core.patient).unwrapped
    env.treatment = core
    env.reset(seed=3)
    hours, over = [], False
    while not over:
        before = env._ward.state.hours
        _, _, terminated, truncated, _ = env.step(0)
        hours.append(float(env._ward.state.hours - before))
        over = terminated or truncated
    assert hours[:3] == [4, 14, 14][: len(hours)]


def test_a_patient_of_one_step_has_no_irregular_visits(toy):
    with pytest.raises(ValueError, match="leave visits out"):
        DoseTreatment(dataclasses.replace(toy, fixed_hours=4.0), visits=sooner_under_norepinephrine)
