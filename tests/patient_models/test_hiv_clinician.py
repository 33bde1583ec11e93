"""The clinician of the HIV cohort: exact propensities, and knobs that change confounding and not quality."""

import functools

import pytest
import torch
from posology.contracts import PatientState
from posology.patient_models.hiv import HIV
from posology.patient_models.hiv_clinician import HIVClinician
from posology.patient_models.hiv_reward import benefit
from posology.patient_models.hiv_spec import SPEC
from posology.patient_models.simulate import Course, follow
from posology.trajectories.levels import action_of_dose, dose_of_action
from posology.trajectories.noise import ACTOR, ADMISSION, normals, seeds
from torch import Tensor

STEPS = 40


@functools.cache
def cohort(confounding: float = 1.0, hidden: float = 0.0) -> Course:
    return follow(HIV(), HIVClinician(confounding, hidden), 1000, decisions=STEPS, hours=120.0)


def test_log_prob_is_exact_and_never_degenerate() -> None:
    clinician = HIVClinician(2.0, 1.0)
    for state in (cohort().states[0], cohort().states[20]):
        actions = torch.arange(SPEC.actions)
        every = torch.stack([clinician.log_prob(state, dose_of_action(SPEC, a.expand(len(state)))) for a in actions], 1)
        assert torch.allclose(every.exp().sum(1), torch.ones(len(state)), atol=1e-5)
        assert every.exp().min() > 1e-6


def test_doses_follow_their_probabilities() -> None:
    many: PatientState = cohort().states[10].rows(torch.full((40_000,), 7))
    clinician = HIVClinician()
    dose = clinician.dose(many, torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(dose_of_action(SPEC, action_of_dose(SPEC, dose)), dose)
    for action in range(SPEC.actions):
        expected = clinician.log_prob(many.rows(torch.tensor([0])), dose_of_action(SPEC, torch.tensor([action]))).exp()
        share = (action_of_dose(SPEC, dose) == action).float().mean()
        assert abs(share - expected.item()) < 0.012


def confounded(confounding: float, hidden: float = 0.0, rows: int = 8000) -> tuple[float, float]:
    """Bias of the effect of log(dose / rule) on log10 virus after the first interval, and its standard error.

    The bias is the slope of what would have been under the rule itself, with the same noise.
    """
    model, clinician, row = HIV(), HIVClinician(confounding, hidden), seeds(0, rows)
    zero = torch.zeros_like(row)
    state = model.admit(None, normals(row, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    rule = clinician.rule(state)
    dose = clinician.intended(state, normals(row, zero, zero, clinician.noise_dim, stream=ACTOR))
    after = model.step(state, rule, torch.full((rows,), 120.0), normals(row, zero, zero, model.noise_dim))
    x, y = (dose / rule).log()[:, 0], after.vitals[:, 1].log10()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).mean() / x.square().mean()).item(), (y.std() / x.std() / rows**0.5).item()


def test_knobs_bias_the_effect_of_the_dose_by_a_growing_amount() -> None:
    (plain, error), (one, _), (two, _) = (confounded(c) for c in (0.0, 1.0, 2.0))
    assert abs(plain) < 3 * error
    assert 0.04 < one < two - 0.01  # towards more virus with more drug
    assert 0.05 < confounded(0.0, 1.0)[0] < confounded(0.0, 2.0)[0]


def test_knobs_hardly_change_quality() -> None:
    def returns(course: Course) -> Tensor:
        hours = torch.full((1000,), 120.0)
        return sum((benefit(s, course.dose[:, t], hours) for t, s in enumerate(course.states[1:])), torch.zeros(1000))

    plain, shown, hidden = (returns(cohort(*knobs)) for knobs in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    spread = plain.quantile(0.75) - plain.quantile(0.25)
    for other in (shown, hidden):
        assert abs(other.median() - plain.median()) < 0.15 * spread
    given = [(c.dose > 0).float().mean().item() for c in (cohort(0.0), cohort(1.0))]
    assert abs(given[0] - given[1]) < 0.04


@pytest.mark.parametrize("t", [0, 5])
def test_intended_doses_round_to_the_levels_given(t: int) -> None:
    """But for slips and the floor, in 5 % of the decisions."""
    clinician, state = HIVClinician(), cohort().states[t]
    noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(t))
    rounded = action_of_dose(SPEC, clinician.intended(state, noise))
    same = (rounded == action_of_dose(SPEC, clinician.dose(state, noise))).float().mean()
    assert same > 0.85
