"""The tumour clinician: exact propensities, and knobs that bias what they say and nothing else."""

import functools

import pytest
import torch
from posology.patient_models.simulate import Course, follow
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_clinician import TumorClinician
from posology.patient_models.tumor_growth import diameter_of
from posology.patient_models.tumor_memory import recall
from posology.patient_models.tumor_spec import SPEC, WEEK
from posology.trajectories.levels import action_of_dose, dose_of_action
from posology.trajectories.noise import ACTOR, ADMISSION, normals, seeds

MODEL = Tumor()


@functools.cache
def cohort() -> Course:
    return follow(MODEL, MODEL.clinician(), 400, decisions=14, hours=WEEK)


@pytest.mark.parametrize("t", [0, 6, 13])
def test_probabilities_are_never_degenerate_and_sum_to_one(t: int) -> None:
    state, clinician = cohort().states[t], TumorClinician(1.0, 1.0)
    every = dose_of_action(SPEC, torch.arange(SPEC.actions))
    logs = torch.stack([clinician.log_prob(state, dose.expand(len(state), -1)) for dose in every], 1)
    assert torch.allclose(logs.exp().sum(1), torch.ones(len(state)), atol=1e-5)
    assert logs.exp().min() > 1e-5


def test_doses_follow_their_probabilities() -> None:
    many, clinician = cohort().states[5].rows(torch.full((40_000,), 7)), TumorClinician()
    dose = clinician.dose(many, torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(dose_of_action(SPEC, action_of_dose(SPEC, dose)), dose)
    for action in range(SPEC.actions):
        given = dose_of_action(SPEC, torch.tensor([action]))
        expected = clinician.log_prob(many.rows(torch.tensor([0])), given).exp().item()
        assert abs((action_of_dose(SPEC, dose) == action).float().mean().item() - expected) < 0.012


def confounded(confounding: float, hidden: float = 0.0, rows: int = 8000) -> tuple[float, float]:
    """Bias of the effect of log(dose / rule) on log tumour volume after a week, and its standard error.

    The bias is the slope of what would have been under the rule itself, with the same noise.
    """
    clinician, row = TumorClinician(confounding, hidden), seeds(0, rows)
    zero = torch.zeros_like(row)
    state = MODEL.admit(None, normals(row, zero, zero, MODEL.admit_noise_dim, stream=ADMISSION))
    rule = clinician.rule(state)
    units = clinician.intended(state, normals(row, zero, zero, 2, stream=ACTOR)[:, 0])
    dose = torch.stack((rule, torch.full_like(rule, 10.0)), 1)
    after = MODEL.step(state, dose, torch.full((rows,), WEEK), normals(row, zero, zero, MODEL.noise_dim))
    x, y = (units / rule).log(), diameter_of(recall(after.memory, "volume")).log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).mean() / x.square().mean()).item(), (y.std() / x.std() / rows**0.5).item()


def test_knobs_bias_the_effect_of_the_dose_by_a_growing_amount() -> None:
    (plain, error), (one, _), (two, _) = (confounded(c) for c in (0.0, 1.0, 2.0))
    assert abs(plain) < 3 * error
    assert 5 * error < one < two - error  # towards larger tumours with more drug
    hidden = [confounded(0.0, h)[0] for h in (1.0, 2.0)]
    assert hidden[0] > 0 and hidden[1] > hidden[0]


def test_the_blood_count_holds_chemotherapy_back() -> None:
    state, clinician = cohort().states[0], TumorClinician()
    low = state.replace(vitals=torch.cat((torch.full((len(state), 1), 0.8), state.vitals[:, 1:]), 1))
    assert clinician.level_probs(low)[0][:, 0].min() > 0.8
    assert clinician.level_probs(state)[0][:, 0].mean() < 0.4
