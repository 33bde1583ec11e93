"""The clinician of the diabetes cohort: exact propensities, and knobs that change confounding and hardly quality."""

import functools

import pytest
import torch
from posology.contracts import PatientState
from posology.patient_models.glucose import Glucose
from posology.patient_models.glucose_clinician import BasalBolus, GlucoseClinician
from posology.patient_models.glucose_memory import recall
from posology.patient_models.glucose_risk import time_in_range
from posology.patient_models.simulate import Course, follow
from posology.trajectories.levels import action_of_dose, dose_of_action
from posology.trajectories.noise import ACTOR, normals, seeds

MODEL = Glucose(days=1)
SPEC = MODEL.spec


@functools.cache
def cohort(confounding: float = 1.0, hidden: float = 0.0) -> Course:
    """The hours until nine, with breakfast."""
    return follow(MODEL, MODEL.clinician(confounding, hidden), 200, decisions=108, hours=MODEL.interval_hours)


def inside(course: Course) -> float:
    glucose = torch.stack([recall(s.memory, "glucose") for s in course.states], 1)
    return time_in_range(glucose).inside.mean().item()


@pytest.mark.parametrize("t", [0, 90, 107])
def test_log_prob_is_exact_and_never_degenerate(t: int) -> None:
    clinician, state = GlucoseClinician(2.0, 1.0), cohort().states[t]
    every = []
    for action in torch.arange(SPEC.actions):
        every.append(clinician.log_prob(state, dose_of_action(SPEC, action.expand(len(state)))))
    probs = torch.stack(every, 1).exp()
    assert torch.allclose(probs.sum(1), torch.ones(len(state)), atol=1e-5)
    assert probs.min() > 5e-9


def test_doses_follow_their_probabilities() -> None:
    clinician = GlucoseClinician()
    t, row = next((t, r) for t in range(60, 108) for r in range(200) if cohort().states[t].vitals[r, 2] > 20)
    many = cohort().states[t].rows(torch.full((40_000,), row))
    dose = clinician.dose(many, torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0)))
    share = torch.bincount(action_of_dose(SPEC, dose), minlength=SPEC.actions) / 40_000
    one = many.rows(torch.zeros(SPEC.actions, dtype=torch.int64))
    expected = clinician.log_prob(one, dose_of_action(SPEC, torch.arange(SPEC.actions))).exp()
    assert torch.allclose(share, expected, atol=0.012)
    assert expected[0] < 0.1  # a meal calls for a bolus


def test_a_bolus_comes_with_a_meal() -> None:
    course = cohort()
    meal = torch.stack([s.vitals[:, 2] for s in course.states[:-1]], 1) > 5
    bolus = course.dose[:, :, 1] > 0
    assert bolus[meal].float().mean() > 0.9
    assert bolus[~meal].float().mean() < 0.001


HOURLY = Glucose(days=1, interval_hours=1.0, substep_minutes=2.0)


@functools.cache
def after_lunch() -> PatientState:
    """4,000 patients at 14:00, treated by the rule so far."""
    return follow(HOURLY, BasalBolus(1.0), 4000, decisions=14, hours=1.0).states[-1]


def confounded(confounding: float, hidden: float = 0.0) -> tuple[float, float]:
    """Bias of the effect of log(basal / rule) on glucose within the next hour, and its standard error.

    The bias is the slope of what would have been under the rule itself, with the same noise.
    """
    model, row, state = HOURLY, seeds(0, 4000), after_lunch()
    clinician, zero, rows = model.clinician(confounding, hidden), torch.zeros_like(row), 4000
    rule = clinician.rule(state)
    dose = clinician.intended(state, normals(row, zero, zero, clinician.noise_dim, stream=ACTOR))
    after = model.step(state, rule, torch.ones(rows), normals(row, zero, zero, model.noise_dim))
    x, y = (dose / rule)[:, 0].log(), recall(after.memory, "glucose")
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).mean() / x.square().mean()).item(), (y.std() / x.std() / rows**0.5).item()


def test_knobs_bias_the_effect_of_the_dose_by_a_growing_amount() -> None:
    (plain, error), (one, _), (two, _) = (confounded(c) for c in (0.0, 1.0, 2.0))
    assert abs(plain) < 3 * error
    assert 3 * error < one < two  # those given more had more glucose
    assert 3 * error < confounded(0.0, 1.0)[0] < confounded(0.0, 2.0)[0]


def test_knobs_hardly_change_quality() -> None:
    plain = inside(cohort(0.0))
    assert plain > 0.7
    for knobs in ((1.0, 0.0), (0.0, 1.0)):
        assert abs(inside(cohort(*knobs)) - plain) < 0.03


def test_the_rule_itself_does_better_than_basal_insulin_alone() -> None:
    full, basal = (
        follow(MODEL, BasalBolus(bolus=b), 100, decisions=120, hours=MODEL.interval_hours) for b in (True, False)
    )
    assert inside(full) > inside(basal) + 0.1
    state, dose = full.states[100], full.dose[:, 100]
    assert (BasalBolus().log_prob(state, dose) == 0).all()
    assert (BasalBolus().log_prob(state, dose + 1.0) == -torch.inf).all()
