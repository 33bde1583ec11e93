import dataclasses

import pytest
import torch
from posology.contracts import Drug
from posology.envs import treatment
from posology.trajectories.noise import seeds
from posology.trajectories.ward import open_ward

NAME = "posology/Learned-v0"


def test_a_penalty_makes_it_pessimistic(toy):
    rewards = []
    for penalty in (0.0, 0.3):
        core = treatment(NAME, model=toy, penalty=penalty)
        state, action = open_ward(core, seeds(0, 4)).state, torch.tensor([0, 1, 2, 24])
        step = core.step(state, action, core.interval(state, action), torch.zeros(4, 5))
        rewards.append(step.reward)
    assert torch.allclose(rewards[0] - rewards[1], 0.3 * toy.disagreement(state, step.dose, step.hours))
    assert (rewards[0] > rewards[1]).all()


def test_interval_and_limits_come_from_the_model(toy):
    core = treatment(NAME, model=dataclasses.replace(toy, fixed_hours=2.0))
    assert core.interval_hours == 2.0 and core.constraints[1].after_hours == 2.0
    other = dataclasses.replace(toy.spec, drugs=(Drug("warfarin", "mg/d", 20.0, (0.0, 5.0), (2.5,)),))
    assert treatment(NAME, model=dataclasses.replace(toy, spec=other)).constraints == ()


def test_a_model_is_needed():
    with pytest.raises(TypeError, match="model"):
        treatment(NAME)
