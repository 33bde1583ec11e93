import dataclasses

import pytest
from posology.contracts import Drug
from posology.envs import treatment
from posology.envs.pessimistic import Pessimistic

NAME = "posology/Learned-v0"


def test_a_penalty_makes_it_pessimistic(toy):
    assert isinstance(treatment(NAME, model=toy, penalty=0.3), Pessimistic)
    assert not isinstance(treatment(NAME, model=toy), Pessimistic)


def test_interval_and_limits_come_from_the_model(toy):
    core = treatment(NAME, model=dataclasses.replace(toy, fixed_hours=2.0))
    assert core.interval_hours == 2.0 and core.constraints[1].after_hours == 2.0
    other = dataclasses.replace(toy.spec, drugs=(Drug("warfarin", "mg/d", 20.0, (0.0, 5.0), (2.5,)),))
    assert treatment(NAME, model=dataclasses.replace(toy, spec=other)).constraints == ()


def test_a_model_is_needed():
    with pytest.raises(TypeError, match="model"):
        treatment(NAME)
