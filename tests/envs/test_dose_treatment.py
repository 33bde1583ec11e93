import dataclasses

import pytest
import torch
from posology.contracts import DIED, Drug
from posology.envs.constraints import DoseLimit, sepsis_limits
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.observation import observation_names
from posology.envs.pessimistic import pessimistic
from posology.envs.rewards import SurvivalReward
from posology.trajectories.noise import seeds
from posology.trajectories.ward import open_ward


def make(toy, **options):
    return DoseTreatment(toy, constraints=sepsis_limits(toy.spec), **options)


def start(core, rows=25):
    return open_ward(core, seeds(0, rows)).state


def test_actions_are_all_dose_levels_fluid_slowest(toy):
    core = make(toy)
    state = start(core)
    dose = core.decode(state, torch.arange(25))
    expected = torch.tensor([[0, 0], [0, 0.03], [0, 0.07], [0, 0.14], [0, 0.30], [37.5, 0]])
    assert torch.allclose(dose[:6], expected)
    assert dose[24].tolist() == pytest.approx([650, 0.30])


def test_limits_cost_the_excess_and_fluid_is_free_in_the_first_interval(toy):
    core = make(toy)
    state = start(core)
    action = torch.arange(25)
    hours = core.interval(state, action)
    noise = torch.zeros(25, 5)
    first = core.step(state, action, hours, noise)
    second = core.step(first.state, action, hours, noise)
    pressor = torch.where(action % 5 == 4, 0.1, 0.0)
    assert torch.allclose(first.costs[:, 0], pressor, atol=1e-6) and (first.costs[:, 1] == 0).all()
    assert torch.allclose(second.costs[:, 0], pressor, atol=1e-6)
    assert torch.equal(second.costs[:, 1], torch.where(action // 5 == 4, 150.0, 0.0))
    assert core.allowed(state) is None and torch.equal(first.dose, core.decode(state, action))


def test_a_dose_at_the_limit_is_no_violation(toy):
    limit = DoseLimit("n", 1, 0.2, "ug/kg/min")
    state = start(make(toy), 2)
    dose = torch.tensor([[0.0, 0.2], [0.0, 0.2002]])
    assert limit.permits(state, dose, torch.full((2,), 4.0)).tolist() == [True, False]
    assert limit.cost(state, dose, torch.full((2,), 4.0), state)[0] == 0
    assert limit.project(state, dose, torch.full((2,), 4.0))[:, 1].tolist() == pytest.approx([0.2, 0.2])


def test_enforcement_masks_and_caps_what_is_executed(toy):
    core = make(toy, enforce=True)
    state = start(core)
    action = torch.arange(25)
    hours = core.interval(state, action)
    allowed = core.allowed(state)
    assert torch.equal(allowed[0], action % 5 != 4)
    step = core.step(state, action, hours, torch.zeros(25, 5))
    assert (step.costs == 0).all() and step.dose[:, 1].max() <= 0.2 + 1e-6
    later = core.allowed(step.state)
    assert torch.equal(later[0], (action % 5 != 4) & (action // 5 != 4))
    executed = core.encode(state, step.dose)
    assert allowed[torch.arange(25), executed].all()


def test_horizon_truncates_and_pays_the_living(toy):
    core = make(toy, horizon=2)
    state, noise = start(core, 3), torch.zeros(3, 5)
    noise[2, 4] = -2.0  # dies
    hours = torch.full((3,), 4.0)
    first = core.step(state, torch.zeros(3, dtype=torch.int64), hours, noise)
    second = core.step(first.state, torch.zeros(3, dtype=torch.int64), hours, torch.zeros(3, 5))
    assert first.terminated.tolist() == [False, False, True] and not first.truncated.any()
    assert first.reward.tolist() == [0, 0, 0]
    assert second.truncated.tolist() == [True, True, False]
    assert second.reward.tolist() == [1, 1, 0], "a stay that has ended earns nothing more"


def test_a_bootstrapped_horizon_pays_nothing_itself(toy):
    core = make(toy, horizon=1, bootstrap_at_horizon=True)
    state, noise = start(core, 2), torch.zeros(2, 5)
    noise[1, 4] = 2.0  # discharged
    step = core.step(state, torch.zeros(2, dtype=torch.int64), torch.full((2,), 4.0), noise)
    assert step.truncated.tolist() == [True, False] and step.reward.tolist() == [0, 1]


def test_survival_reward_pays_at_the_end_only(toy):
    state = start(make(toy), 3)
    after = state.replace(outcome=torch.tensor([DIED, 0, 1]))
    rule = SurvivalReward(alive=2.0, died=-3.0)
    dose, hours = torch.zeros(3, 2), torch.full((3,), 4.0)
    assert rule(state, dose, hours, after, torch.tensor([True, True, True])).tolist() == [-3, 2, 2]
    assert rule(state, dose, hours, after, torch.tensor([False, False, False])).tolist() == [0, 0, 0]


def test_what_cannot_be_a_treatment_is_refused(toy):
    with pytest.raises(ValueError, match="steps 1.0 h only, got interval_hours=4.0"):
        DoseTreatment(dataclasses.replace(toy, fixed_hours=1.0))
    with pytest.raises(ValueError, match="positive horizon"):
        DoseTreatment(toy, horizon=0)
    bare = dataclasses.replace(toy.spec, drugs=(Drug("fluid", "mL/h", 10.0),))
    with pytest.raises(ValueError, match="fluid has none"):
        DoseTreatment(dataclasses.replace(toy, spec=bare))
    assert DoseTreatment(dataclasses.replace(toy, spec=bare), action="continuous").actions is None
    with pytest.raises(ValueError, match="'levels' or 'continuous', got 'boxes'"):
        DoseTreatment(toy, action="boxes")


def test_continuous_actions_run_monotonically_over_each_drugs_usable_range(toy):
    core = make(toy, action="continuous")
    state = start(core, 101)
    action = torch.linspace(-1, 1, 101)[:, None].expand(-1, 2)
    dose = core.decode(state, action)
    assert (dose.diff(dim=0) > 0).all()
    assert torch.allclose(dose[[0, 50, 100]], torch.tensor([[0.0, 0.0], [162.5, 0.075], [650.0, 0.30]]))
    assert torch.allclose(core.encode(state, dose), action, atol=1e-6)
    assert torch.equal(core.decode(state, 3 * action), core.decode(state, (3 * action).clamp(-1, 1)))
    beyond = torch.tensor([[8000.0, 0.0]])
    assert core.encode(state.rows(torch.arange(1)), beyond).tolist() == [[1.0, -1.0]]


def test_hard_limits_project_continuous_doses(toy):
    core = make(toy, action="continuous", enforce=True)
    state = start(core, 3)
    action = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]])
    first = core.step(state, action, torch.full((3,), 4.0), torch.zeros(3, 5))
    second = core.step(first.state, action, torch.full((3,), 4.0), torch.zeros(3, 5))
    assert core.allowed(state) is None
    assert torch.allclose(first.dose, torch.tensor([[650.0, 0.20], [0.0, 0.0], [162.5, 0.075]]))
    assert torch.allclose(second.dose[0], torch.tensor([500.0, 0.20])) and (second.costs == 0).all()


def test_observation_columns_are_named_and_mean_what_they_say(toy):
    core = make(toy)
    names = observation_names(core.spec)
    state = start(core, 2)
    state = state.replace(
        vitals=torch.tensor([[75.0, 5.0], [0.0, 40.0]]),
        age=torch.tensor([[0.0, 24.0], [12.0, 0.0]]),
        seen=torch.tensor([[True, False], [False, True]]),
        context=torch.tensor([[80.0], [65.0]]),
        hours=torch.tensor([36.0, 0.0]),
        last_dose=torch.tensor([[650.0, 0.0], [0.0, 2.0]]),
        total_dose=torch.tensor([[650.0 * 24, 0.0], [0.0, 0.0]]),
    )
    obs = core.observe(state)
    assert obs.shape == (2, core.observation_dim) and len(names) == core.observation_dim
    row = dict(zip(names, obs[0].tolist(), strict=True))
    expected = {"map": 0, "lactate": 1, "map age": 0, "lactate age": 1, "map seen": 1, "lactate seen": 0, "age": 1}
    expected |= {"fluid last": 1, "norepinephrine last": 0, "fluid total": 1, "days": 1.5, "time left": 0.5}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    low, high = core.layout.bounds()
    assert (obs >= low).all() and (obs <= high).all()


def test_pessimism_costs_disagreement_in_the_step_alone(toy):
    core = make(toy)
    wary = pessimistic(core, 0.5)
    state = start(core)
    action, noise = torch.arange(25), torch.zeros(25, 5)
    hours = core.interval(state, action)
    plain, penalised = core.step(state, action, hours, noise), wary.step(state, action, hours, noise)
    doubt = toy.disagreement(state, plain.dose, hours)
    assert torch.allclose(penalised.reward, plain.reward - 0.5 * doubt) and doubt.max() > 0
    assert torch.equal(
        wary.reward(state, plain.dose, hours, plain.state), core.reward(state, plain.dose, hours, plain.state)
    )
    with pytest.raises(ValueError, match="at least 0"):
        pessimistic(core, float("nan"))


def test_pessimism_needs_a_learned_patient():
    from posology.envs import treatment

    with pytest.raises(TypeError, match="learned patient, got Sepsis"):
        pessimistic(treatment("posology/Sepsis-v0"), 1.0)
