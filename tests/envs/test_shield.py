"""The shield: what is executed never breaks a hard constraint; what was asked for is kept; nothing is impossible."""

import dataclasses

import numpy as np
import pytest
import torch
from posology.envs import decisions, sb3_env, treatment
from posology.envs.change_limit import StepLimit
from posology.envs.constraints import DoseLimit
from posology.envs.course_limit import CourseLimit
from posology.envs.deferral import Deferral, DoseDeferral, NoDrug, PolicyFallback
from posology.envs.gym_env import PatientEnv
from posology.envs.shield import nearest_of, shield
from posology.envs.state_rules import Dosed, StateRule, When, festor_rules, icu_sepsis_rules
from posology.envs.vector_env import PatientVectorEnv
from posology.patient_models import icu_sepsis as module
from posology.patient_models.sepsis_protocols import ObservableRule
from posology.patient_models.tabular_values import optimal, policy_value
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout


def sepsis_rules(core):
    spec = core.spec
    fluid, vaso = spec.drug("fluid"), spec.drug("norepinephrine")
    return (
        *festor_rules(spec),
        StepLimit("norepinephrine change", vaso, 0.1, "ug/kg/min"),
        CourseLimit("fluid in all", fluid, 6.0, "L", 1000.0),
    )


class Reckless:
    """Any action, and more often nothing at all or the most of everything; masks are not looked at."""

    noise_dim = 1

    def act(self, obs, allowed, noise):
        return (torch.special.ndtr(noise[:, 0]) * 45 - 10).long().clamp(0, 24)

    def log_prob(self, obs, allowed, action):
        return torch.where((action == 0) | (action == 24), 11 / 45, 1 / 45).log()


class Continuous:
    """Any dose, and more often the largest."""

    noise_dim = 2

    def act(self, obs, allowed, noise):
        return (1.5 * torch.special.ndtr(noise) * 2 - 1).clamp(max=1)

    def log_prob(self, obs, allowed, action):
        return torch.zeros(len(action))


def admitted(core, rows=64):
    row = seeds(0, rows)
    return core.admit(normals(row, row * 0, row * 0, core.admit_noise_dim, stream=ADMISSION))


@pytest.mark.parametrize("action", ["levels", "continuous"])
def test_executed_violations_of_hard_constraints_are_exactly_zero_in_sepsis(action):
    plain = treatment("posology/Sepsis-v0", action=action)
    core = shield(plain, sepsis_rules(plain), states=500)
    done = rollout(core, Reckless() if action == "levels" else Continuous(), 400)
    assert done.costs.shape[2] == len(core.constraints) == 6 and all(c.hard for c in core.constraints)
    assert float(done.costs.max()) == 0
    broken = (done.attempted > 0)[done.decisions.mask].float().mean(0)
    assert bool((broken[[0, 1, 4]] > 0.01).all()), "nothing was attempted: the law was not tested"
    same = (done.intended - done.trajectories.dose).abs().amax(2) < 1e-6
    assert 0.05 < float(same[done.decisions.mask].float().mean()) < 0.95


def test_executed_violations_are_exactly_zero_in_icu_sepsis_at_a_stated_price():
    plain = treatment("posology/ICUSepsis-v0", inadmissible="mean")
    core = shield(plain, icu_sepsis_rules(plain.spec), states=2000)
    done = rollout(core, Reckless(), 1500)
    assert float(done.costs.max()) == 0
    broken = (done.attempted > 0)[done.decisions.mask].float().mean(0)
    assert bool((broken > 0.001).all()), "nothing was attempted: the law was not tested"
    patient = module.icu_sepsis("mean")
    state = admitted(core, 4).rows(torch.zeros(patient.states, dtype=torch.int64))
    permitted = core.allowed(state.replace(vitals=patient.values))
    constrained = dataclasses.replace(patient, admissible=permitted)
    price = optimal(patient)[0] - optimal(constrained)[0]
    assert 0 <= price < 0.005
    assert policy_value(patient, optimal(constrained)[1]) == pytest.approx(optimal(constrained)[0], abs=1e-6)


def test_masks_offer_what_is_permitted_and_permitted_actions_are_left_alone():
    plain = treatment("posology/Sepsis-v0")
    core = shield(plain, sepsis_rules(plain), states=200)
    state = admitted(core)
    allowed = core.allowed(state)
    for action in range(25):
        asked = torch.full((64,), action)
        step = core.step(state, asked, core.interval(state, asked), torch.zeros(64, core.noise_dim))
        executed = core.encode(state, step.dose)
        assert torch.equal(executed[allowed[:, action]], asked[allowed[:, action]])
        assert bool(allowed.gather(1, executed[:, None]).all())
        assert torch.equal(step.intended, core.decode(state, asked))


def test_off_policy_learners_read_what_was_executed():
    plain = treatment("posology/Sepsis-v0")
    core = shield(plain, sepsis_rules(plain), states=200)
    done = rollout(core, Reckless(), 100)
    logged = decisions(core, done.trajectories)
    steps = logged.mask
    assert bool(logged.allowed[:, :-1][steps].gather(1, logged.action[steps][:, None]).all())
    changed = (logged.action != done.decisions.action)[steps]
    assert bool(changed.any()) and bool((done.attempted.sum(2) > 0)[steps][changed].any())


def impossible(spec):
    """Too little and too much are both forbidden in shock."""
    low = (When(spec.feature("map"), 60.0, True, 24.0),)
    vaso, fluid = spec.drug("norepinephrine"), spec.drug("fluid")
    untreated = (Dosed(vaso, 0.0, upto=True), Dosed(fluid, 20.0, upto=True))
    return (
        StateRule("treat", low, untreated, (vaso, 0.03)),
        StateRule("no vasopressor", low, (Dosed(vaso, 0.0),), (vaso, 0.0)),
        StateRule("no fluid", low, (Dosed(fluid, 0.0),), (fluid, 0.0)),
    )


def test_constraints_that_leave_nothing_are_an_error_with_an_example_unless_a_fallback_is_declared():
    plain = treatment("posology/Sepsis-v0")
    rules = impossible(plain.spec)
    with pytest.raises(ValueError, match=r"treat, no vasopressor, no fluid.*leave no dose.*map \d") as error:
        shield(plain, rules, states=500)
    assert "declare a fallback" in str(error.value)
    core = shield(plain, rules, fallback=NoDrug(), fallback_name="stop every drug")
    state = admitted(core, 200)
    low = state.vitals[:, 0] < 60
    assert bool(low.any()) and not bool(low.all())
    step = core.step(state, torch.full((200,), 12), state.hours + 4, torch.zeros(200, core.noise_dim))
    assert bool((step.dose[low] == 0).all()) and bool((step.dose[~low] > 0).all())
    assert bool((step.costs[low].sum(1) > 0).all()), "a violation by the fallback is counted"
    assert bool(core.allowed(state).any(1).all())


def test_a_fallback_needs_a_name_and_a_deferral_a_fallback():
    plain = treatment("posology/Sepsis-v0")
    with pytest.raises(ValueError, match="name"):
        shield(plain, fallback=NoDrug())
    with pytest.raises(ValueError, match="deferral"):
        shield(plain, deferral=Deferral(lambda obs: obs[:, 0], 0.0))


def test_unsure_decisions_are_handed_back_and_meet_the_same_constraints():
    plain = treatment("posology/Sepsis-v0")
    limit = DoseLimit("less norepinephrine", plain.spec.drug("norepinephrine"), 0.07, "ug/kg/min")
    deferral = Deferral(lambda obs: obs[:, 0], 0.0)  # pressure above the middle of its range
    rule = ObservableRule()
    core = shield(plain, (limit,), fallback=rule, fallback_name="observable rule", deferral=deferral)
    state = admitted(core, 300)
    noise = torch.randn(300, core.noise_dim, generator=torch.Generator().manual_seed(0))
    asked = torch.full((300,), 11)
    step = core.step(state, asked, core.interval(state, asked), noise)
    back = plain.observe(state)[:, 0] > 0
    theirs = plain.encode(state, rule.dose(state, noise[:, plain.noise_dim :]))
    executed = plain.encode(state, step.dose)
    assert bool((executed[~back] == 11).all()) and 0 < int(back.sum()) < 300
    permitted = theirs % 5 <= 2
    assert torch.equal(executed[back & permitted], theirs[back & permitted])
    assert float(step.dose[:, 1].max()) <= 0.07 + 1e-6
    alike = PolicyFallback(Reckless(), plain)
    assert torch.equal(alike.dose(state, noise[:, :1]), plain.decode(state, Reckless().act(None, None, noise[:, :1])))


def test_the_nearest_permitted_action_is_close_in_dose_and_the_lower_of_two():
    doses = torch.tensor([[[0.0], [1.0], [4.0], [9.0]]])  # square roots 0, 1/3, 2/3, 1 of the highest
    permitted = torch.tensor([[True, False, True, False]])
    assert [int(nearest_of(doses, permitted, torch.tensor([a]))) for a in range(4)] == [0, 0, 2, 2]
    assert int(nearest_of(doses, torch.zeros(1, 4, dtype=torch.bool), torch.tensor([3]))) == 3


def test_every_shell_tells_what_was_asked_for_and_what_was_done():
    plain = treatment("posology/Sepsis-v0")
    core = shield(plain, sepsis_rules(plain), states=100)
    one, vec, sb3 = PatientEnv(core), PatientVectorEnv(core, 3), sb3_env(core, 3, seed=0)
    one.reset(seed=0), vec.reset(seed=0), sb3.reset()
    most = 24  # the highest level of both drugs
    alone, together = one.step(most)[4], vec.step(np.full(3, most))[4]
    behind = sb3.step(np.full(3, most))[3]
    asked_for = plain.decode(None, torch.tensor([most]))[0].numpy()
    for dose, intended, attempted, costs in (
        (alone["dose"], alone["intended"], alone["attempted"], alone["costs"]),
        *(
            (together["dose"][i], together["intended"][i], together["attempted"][i], together["costs"][i])
            for i in (0, 2)
        ),
    ):
        np.testing.assert_allclose(intended, asked_for)
        assert dose[1] < intended[1] and attempted[0] > 0 and costs.max() == 0
    np.testing.assert_array_equal(behind[1]["intended"], together["intended"][1])
    assert "intended" not in PatientEnv(plain).reset(seed=0)[1]


def test_unsure_doses_are_handed_back_and_nothing_hidden_enters():
    plain = treatment("posology/Sepsis-v0")
    memories = []

    def large(state, dose, hours):
        memories.append(state.memory.shape[1])
        return dose[:, 0] * hours

    rule = ObservableRule()
    deferral = DoseDeferral(large, 1000.0)  # more than a litre at once
    core = shield(plain, fallback=rule, fallback_name="observable rule", deferral=deferral)
    state = admitted(core, 100)
    noise = torch.randn(100, core.noise_dim, generator=torch.Generator().manual_seed(0))
    asked = torch.arange(100) % 25
    step = core.step(state, asked, core.interval(state, asked), noise)
    back = plain.decode(state, asked)[:, 0] > 250
    given = plain.encode(state, step.dose)
    theirs = plain.encode(state, rule.dose(state, noise[:, plain.noise_dim :]))
    wanted = torch.where(back, theirs, asked)
    permitted = wanted % 5 < 4
    assert torch.equal(given[permitted], wanted[permitted]) and bool((theirs != asked)[back & permitted].any())
    assert set(memories) == {0}


def test_projection_comes_before_the_fallback():
    """What is forbidden becomes the nearest permitted action; the fallback decides only where there is none."""
    plain = treatment("posology/Sepsis-v0")
    limit = DoseLimit("less norepinephrine", plain.spec.drug("norepinephrine"), 0.07, "ug/kg/min")
    core = shield(plain, (limit,), fallback=NoDrug(), fallback_name="stop every drug")
    state = admitted(core, 50)
    asked = torch.full((50,), 14)  # a middle fluid level, the highest norepinephrine
    step = core.step(state, asked, core.interval(state, asked), torch.zeros(50, core.noise_dim))
    assert bool((core.encode(state, step.dose) == 12).all())


class Rare:
    """Forbids every dose to patients of the lowest pressures alone, and counts the states that it is asked about."""

    name, unit, limit, hard = "rare", "decisions", 0.0, True

    def __init__(self, below: float) -> None:
        self.below, self.looked = below, 0

    def table(self, state):
        self.looked += len(state)
        return (state.vitals[:, 0] >= self.below)[:, None].expand(-1, 25)

    def permits(self, state, dose, hours):
        return state.vitals[:, 0] >= self.below

    def cost(self, before, dose, hours, after):
        return dose[:, 0] * 0

    def project(self, state, dose, hours):
        return dose


def test_ten_thousand_states_are_looked_at_before_anybody_is_treated():
    plain = treatment("posology/Sepsis-v0")
    never = Rare(below=-1.0)
    shield(plain, (never,))
    assert never.looked == 10_000
    with pytest.raises(
        ValueError, match=r"rare.*leave no dose in \d+ of 1000 states at decision \d+.*map 2\d\.?\d* mmHg"
    ):
        shield(plain, (Rare(below=30.0),))
    shield(plain, (Rare(below=30.0),), states=20)  # so few states do not meet one
