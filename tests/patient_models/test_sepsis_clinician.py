"""The cohort's clinician: exact propensities, confounding without a change of quality."""

import functools

import pytest
import torch
from posology.contracts import DIED, Clinician, PatientState
from posology.patient_models.sepsis import Sepsis
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.patient_models.sepsis_fluids import fluid_level_probs, plan_fluid
from posology.patient_models.sepsis_memory import COLUMN, recall
from posology.patient_models.sepsis_protocols import FixedDose, InLevels, ObservableRule, SpecifiedClinician, Titrated
from posology.patient_models.sepsis_spec import SPEC
from posology.patient_models.simulate import Course, follow, truth_columns
from posology.trajectories.levels import action_of_dose, dose_of_action, levels_of_dose
from torch import Tensor

PATIENTS = 4_000


@functools.cache
def cohort(confounding: float = 1.0, hidden: float = 0.0) -> Course:
    return follow(Sepsis(), SepsisClinician(confounding, hidden), PATIENTS)


def mortality(course: Course) -> float:
    return 100 * (course.outcome == DIED).double().mean().item()


@pytest.mark.parametrize("knobs", [(1.0, 0.0), (0.0, 2.0), (4.0, 4.0)])
def test_log_prob_is_exact_and_never_degenerate(knobs: tuple[float, float]) -> None:
    clinician = SepsisClinician(*knobs)
    for state in cohort().states[:3]:
        actions = torch.arange(SPEC.actions)
        every = torch.stack([clinician.log_prob(state, dose_of_action(SPEC, a.expand(len(state)))) for a in actions], 1)
        assert torch.allclose(every.exp().sum(1), torch.ones(len(state)), atol=1e-5)
        assert torch.allclose(every.exp(), clinician.probs(state), atol=1e-6)
        for probs in clinician.level_probs(state):
            assert probs.min() >= clinician.floor - 1e-6


@pytest.mark.parametrize("clinician", [SepsisClinician(), SepsisClinician(2.0, 1.0)], ids=["default", "confounded"])
@pytest.mark.parametrize("t", [0, 1, 9])
def test_doses_follow_their_probabilities(clinician: SepsisClinician, t: int) -> None:
    row = cohort().states[t].rows(cohort().states[t].outcome == 0).rows(torch.tensor([7]))
    many = row.rows(torch.zeros(40_000, dtype=torch.int64))
    noise = torch.randn(40_000, clinician.noise_dim, generator=torch.Generator().manual_seed(t))
    dose = clinician.dose(many, noise)
    assert torch.equal(dose_of_action(SPEC, action_of_dose(SPEC, dose)), dose)
    share = torch.bincount(action_of_dose(SPEC, dose), minlength=SPEC.actions) / 40_000
    expected = clinician.probs(row)[0]
    error = (expected * (1 - expected) / 40_000).sqrt()
    assert ((share - expected).abs() <= 5 * error + 1e-5).all()


@pytest.mark.parametrize("t", [0, 5])
def test_fluid_probabilities_match_the_documented_draw(t: int) -> None:
    state = cohort().states[t].rows(torch.tensor([3, 11]).repeat_interleave(100_000))
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    small = torch.arange(200_000) % 5 == 0
    fluid = plan_fluid(state, small, noise)
    levels = levels_of_dose(SPEC, torch.stack((fluid, 0 * fluid), 1))[:, 0]
    expected = fluid_level_probs(state, torch.full((200_000,), 0.2))
    for half in (slice(0, 100_000), slice(100_000, 200_000)):
        share = torch.bincount(levels[half], minlength=5) / 100_000
        assert torch.allclose(share, expected[half][0], atol=0.008)


def test_cohort_resembles_the_documented_clinician() -> None:
    course = cohort()
    assert 17.0 <= mortality(course) <= 21.5
    given = course.dose[:, :, 1][course.in_care] > 0
    assert 0.42 <= given.double().mean().item() <= 0.52


def test_confounding_is_visible() -> None:
    course = cohort()
    care = course.in_care[:, :6]
    mean_dose = (course.dose[:, :6, 1] * care).sum(1) / care.sum(1)
    dead = (course.outcome == DIED).double()
    fifths = [dead[rows].mean().item() for rows in mean_dose.argsort().chunk(5)]
    assert fifths == sorted(fifths)
    assert fifths[-1] > 3 * fifths[1]


def excess_dose(clinician: SepsisClinician, course: Course) -> tuple[Tensor, Tensor, Tensor]:
    """log(dose / rule), death, and infection of every nonzero dose."""
    ratio, dead, hidden = [], [], []
    for t, state in enumerate(course.states[:-1]):
        rule, given = clinician.rule(state), course.dose[:, t, 1]
        chosen = course.in_care[:, t] & (given > 0) & (rule > 0)
        ratio.append((given / rule).log()[chosen])
        dead.append((course.outcome == DIED).float()[chosen])
        hidden.append(recall(state.memory, "infection")[chosen])
    return torch.cat(ratio), torch.cat(dead), torch.cat(hidden)


def slope(x: Tensor, y: Tensor) -> float:
    return (((x - x.mean()) * (y - y.mean())).mean() / x.var()).item()


def test_knob_raises_confounding_and_hardly_changes_quality() -> None:
    courses = {c: cohort(c) for c in (0.0, 1.0, 2.0)}
    slopes = [slope(*excess_dose(SepsisClinician(c), course)[:2]) for c, course in courses.items()]
    assert slopes[0] + 0.04 < slopes[1] < slopes[2] - 0.04
    assert abs(mortality(courses[2.0]) - mortality(courses[0.0])) < 2.0


def test_hidden_knob_follows_what_the_record_does_not_show() -> None:
    plain, hidden = (excess_dose(SepsisClinician(0.0, h), cohort(0.0, h)) for h in (0.0, 1.0))
    assert torch.corrcoef(torch.stack((hidden[0], hidden[2])))[0, 1] > 0.05
    assert torch.corrcoef(torch.stack((plain[0], plain[2])))[0, 1] < 0.02
    assert abs(mortality(cohort(0.0, 1.0)) - mortality(cohort(0.0))) < 2.0


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="floor"):
        SepsisClinician(floor=0.0)


@pytest.mark.parametrize(
    "actor", [FixedDose(20, 100, 0.04), Titrated(), InLevels(ObservableRule()), SpecifiedClinician()], ids=str
)
def test_protocols_give_their_own_dose_its_probability(actor: Clinician) -> None:
    state: PatientState = cohort().states[4]
    dose = actor.dose(state, torch.zeros(len(state), actor.noise_dim))
    ours = actor.log_prob(state, dose)
    assert torch.isfinite(ours).all()
    other = actor.log_prob(state, torch.stack((dose[:, 0], torch.where(dose[:, 1] > 0, 0.0, 0.3)), 1))
    assert (other == -torch.inf).all()


def test_truth_names_hidden_columns() -> None:
    memory = torch.stack([s.memory for s in cohort().states[:2]], 1)
    truth = truth_columns(memory)
    assert torch.equal(truth["infection"], memory[:, :, COLUMN["infection"]])
