"""Anaesthetists for the propofol patient: quality, exact propensities, and knobs."""

import functools

import pytest
import torch
from posology.contracts import Clinician
from posology.patient_models.propofol import Propofol
from posology.patient_models.propofol_clinician import FixedInfusion, PropofolClinician, PropofolPID
from posology.patient_models.propofol_population import Schnider
from posology.patient_models.propofol_spec import SPEC
from posology.patient_models.simulate import Course, follow
from posology.trajectories.levels import action_of_dose, dose_of_action
from posology.trajectories.noise import ACTOR, ADMISSION, normals, seeds

PATIENTS = 120


@functools.cache
def cohort(actor: Clinician, arousal: float = 0.0, shifted: bool = False, decisions: int = 180) -> Course:
    """Thirty minutes or more in steps of ten seconds."""
    model = Propofol(arousal=arousal, population=Schnider()) if shifted else Propofol(arousal=arousal)
    return follow(model, actor, PATIENTS, decisions=decisions, hours=10 / 3600)


def control(course: Course) -> tuple[float, float, float]:
    """Median performance error, its absolute value (both %), and share of time in BIS 40-60, after ten minutes."""
    bis = torch.stack([s.vitals[:, 0] for s in course.states[61:]], 1)
    error = 2 * (bis - 50)
    inside = ((bis >= 40) & (bis <= 60)).float().mean()
    return error.median(1).values.median().item(), error.abs().median(1).values.median().item(), inside.item()


def test_a_pid_controls_as_published() -> None:
    """A simple PI over an hour without stimuli: MDPE -1.7 %, MDAPE 7.0 %, .81 of the time in 40-60."""
    bias, size, inside = control(cohort(PropofolPID(), decisions=360))
    assert abs(bias) < 3
    assert size == pytest.approx(7.0, abs=1.5)
    assert inside == pytest.approx(0.81, abs=0.05)


def test_the_clinician_does_better_than_a_fixed_infusion_even_in_shifted_patients() -> None:
    ours, fixed, shifted = (
        control(c)
        for c in (cohort(PropofolClinician()), cohort(FixedInfusion()), cohort(PropofolClinician(), 0.0, True))
    )
    assert ours[1] < 8
    assert ours[2] > 0.75
    assert ours[2] > fixed[2] + 0.3
    assert shifted[2] > fixed[2] + 0.3


def test_stimuli_make_it_harder() -> None:
    assert control(cohort(PropofolClinician(), 1.0))[1] > control(cohort(PropofolClinician()))[1] + 2


@pytest.mark.parametrize("t", [0, 15, 100])
def test_log_prob_is_exact_and_never_degenerate(t: int) -> None:
    clinician, state = PropofolClinician(2.0, 1.0), cohort(PropofolClinician()).states[t]
    actions = torch.arange(SPEC.actions)
    every = torch.stack([clinician.log_prob(state, dose_of_action(SPEC, a.expand(len(state)))) for a in actions], 1)
    assert torch.allclose(every.exp().sum(1), torch.ones(len(state)), atol=1e-5)
    assert torch.allclose(every.exp(), clinician.probs(state), atol=1e-6)
    assert every.exp().min() >= 0.002 - 1e-6


def test_doses_follow_their_probabilities() -> None:
    clinician = PropofolClinician()
    many = cohort(clinician).states[75].rows(torch.full((40_000,), 3))
    dose = clinician.dose(many, torch.randn(40_000, 1, generator=torch.Generator().manual_seed(0)))
    share = torch.bincount(action_of_dose(SPEC, dose), minlength=SPEC.actions) / 40_000
    assert torch.allclose(share, clinician.probs(many)[0], atol=0.012)


def confounded(confounding: float, hidden: float = 0.0, rows: int = 8000) -> tuple[float, float]:
    """Bias of the effect of log(dose / rule) on BIS after a first interval of two minutes, and its standard error.

    The bias is the slope of what would have been under the rule itself, with the same noise.
    """
    model, clinician, row = Propofol(), PropofolClinician(confounding, hidden), seeds(0, rows)
    zero = torch.zeros_like(row)
    state = model.admit(None, normals(row, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    rule = clinician.rule(state)[:, None]
    dose = clinician.intended(state, normals(row, zero, zero, clinician.noise_dim, stream=ACTOR))
    after = model.step(state, rule, torch.full((rows,), 2 / 60), normals(row, zero, zero, model.noise_dim))
    x, y = (dose / rule).log()[:, 0], after.vitals[:, 0]
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).mean() / x.square().mean()).item(), (y.std() / x.std() / rows**0.5).item()


def test_knobs_bias_the_effect_of_the_dose_by_a_growing_amount() -> None:
    (plain, error), (one, _), (two, _) = (confounded(c) for c in (0.0, 1.0, 2.0))
    assert abs(plain) < 3 * error
    assert 3 * error < one < two  # those given more needed more: the drug looks weaker than it is
    assert 10 * error < confounded(0.0, 1.0)[0] < confounded(0.0, 2.0)[0]


def test_knobs_hardly_change_quality() -> None:
    plain = control(cohort(PropofolClinician(0.0)))
    for knobs in ((2.0, 0.0), (0.0, 1.0)):
        changed = control(cohort(PropofolClinician(*knobs)))
        assert abs(changed[2] - plain[2]) < 0.02
        assert abs(changed[1] - plain[1]) < 0.6


@pytest.mark.parametrize("actor", [FixedInfusion(), PropofolPID(), PropofolPID(levels=True)], ids=str)
def test_protocols_give_their_own_dose_its_probability(actor: Clinician) -> None:
    state = cohort(PropofolClinician()).states[50]
    dose = actor.dose(state, torch.zeros(PATIENTS, 0))
    assert (actor.log_prob(state, dose) == 0).all()
    assert (actor.log_prob(state, dose + 100) == -torch.inf).all()
