"""Chemoradiation as a treatment: its limits, its reward, and its presets."""

import pytest
import torch
from posology.contracts import DIED, DISCHARGED
from posology.envs import reward, treatment
from posology.envs.course_limit import CourseLimit
from posology.envs.limits import known_limits
from posology.envs.tumor_constraints import tumor_limits
from posology.patient_models.tumor_spec import SPEC, WEEK

NAME = "posology/Tumor-v0"


@pytest.fixture
def core():
    return treatment(NAME, enforce=True)


@pytest.fixture
def state(core):
    return core.admit(torch.randn(6, core.admit_noise_dim, generator=torch.Generator().manual_seed(0)))


def with_neutrophils(state, counts):
    return state.replace(vitals=torch.cat((torch.tensor(counts)[:, None], state.vitals[:, 1:]), 1))


def test_few_neutrophils_forbid_chemotherapy(core, state):
    state = with_neutrophils(state, [0.4, 1.49, 1.5, 1.6, 3.0, 9.0])
    allowed = core.allowed(state).reshape(6, 5, 2)
    assert not allowed[:2, 1:].any() and allowed[:, 0].all() and allowed[2:].all()
    step = core.step(state, torch.full((6,), 9), torch.full((6,), WEEK), torch.zeros(6, core.noise_dim))
    assert step.dose[:, 0].tolist() == [0, 0, 2.5, 2.5, 2.5, 2.5]
    assert (step.costs == 0).all()


def test_violations_cost_what_was_given_beyond(state):
    limit = tumor_limits(SPEC)[0]
    dose = torch.tensor([[1.5, 10.0]]).expand(6, -1)
    low = with_neutrophils(state, [0.4, 1.49, 1.5, 1.6, 3.0, 9.0])
    assert limit.cost(low, dose, torch.full((6,), WEEK), low).tolist() == [1.5, 1.5, 0, 0, 0, 0]


def test_radiotherapy_ends_with_its_course(core, state):
    action, hours, given = torch.ones(6, dtype=torch.int64), torch.full((6,), WEEK), []
    for _ in range(8):
        step = core.step(state, action, hours, torch.zeros(6, core.noise_dim))
        state = step.state
        given.append(step.dose[0, 1].item())
    assert given == pytest.approx([10] * 6 + [6, 0], abs=1e-4)
    assert not core.allowed(state)[:, 1].any() and core.allowed(state)[:, 0].all()
    course = CourseLimit("course", 1, 66.0, "Gy", WEEK)
    assert course.cost(state, torch.tensor([[0.0, 10.0]]).expand(6, -1), hours, state)[0].item() == pytest.approx(10)


def test_the_reward_adds_up_to_the_shrinkage_less_the_harms(state):
    rule, hours, nothing = reward("chemoradiation", SPEC, 1.0), torch.full((6,), WEEK), torch.zeros(6, 2)
    over = torch.zeros(6, dtype=torch.bool)
    half = state.replace(vitals=torch.stack((torch.full((6,), 3.0), *(state.vitals[:, 1:].t() * 0.5)), 1))
    shrunk = 0.2 * (torch.log1p(state.vitals[:, 1]) - torch.log1p(half.vitals[:, 1]))
    assert torch.allclose(rule(state, nothing, hours, half, over), shrunk)
    assert torch.allclose(rule(state, torch.tensor([[2.5, 0.0]]).expand(6, -1), hours, half, over), shrunk - 0.05)
    ill = half.replace(vitals=torch.stack((torch.full((6,), 0.4), *half.vitals[:, 1:3].t(), torch.ones(6)), 1))
    assert torch.allclose(rule(state, nothing, hours, ill, over), shrunk - 0.4)
    for fate, worth in ((DIED, -2.0), (DISCHARGED, 1.0)):
        ended = half.replace(outcome=torch.full((6,), fate))
        assert torch.allclose(rule(state, nothing, hours, ended, over), shrunk + worth)
        assert (rule(ended, nothing, hours, ended, over) == 0).all()
    assert "neutrophils" in rule.meaning.reward and not rule.meaning.percent


def test_presets(core):
    benchmark = treatment(NAME, preset="benchmark")
    assert (benchmark.actions, benchmark.horizon, benchmark.interval_hours) == (4, 58, 24.0)
    assert (core.actions, core.horizon, len(core.constraints)) == (10, 26, 2)
    with pytest.raises(ValueError, match="preset"):
        treatment(NAME, preset="both")
    assert treatment(NAME, reward="survival").reward_rule.meaning.percent
    assert known_limits(SPEC, WEEK) == tumor_limits(SPEC)
    assert known_limits(benchmark.spec, 24.0) == ()
