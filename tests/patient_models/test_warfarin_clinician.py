"""The anticoagulation clinic: titration, exact propensities, knobs that bias without changing quality, visits."""

import functools

import pytest
import torch
from posology.contracts import PatientState
from posology.envs import treatment
from posology.patient_models.warfarin import Warfarin
from posology.patient_models.warfarin_clinician import WarfarinClinician
from posology.patient_models.warfarin_memory import COLUMN
from posology.patient_models.warfarin_rules import FixedDose, Titration
from posology.patient_models.warfarin_spec import DAY, SPEC
from posology.patient_models.warfarin_titration import plan_after, threshold_factor, titrated
from posology.patient_models.warfarin_visits import clinic_visits
from posology.trajectories.levels import action_of_dose, dose_of_action
from posology.trajectories.noise import ACTOR, ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout


@functools.cache
def visits(count: int = 200) -> tuple[PatientState, ...]:
    """States at the first visits under the clinician."""
    model, actor, rows = Warfarin(), WarfarinClinician(), seeds(0, count)
    zero = torch.zeros_like(rows)
    states = [model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))]
    for t in range(6):
        dose = actor.dose(states[-1], normals(rows, zero, zero + t, 1, stream=ACTOR))
        hours = clinic_visits(states[-1], dose)
        states.append(model.step(states[-1], dose, hours, normals(rows, zero, zero + t, model.noise_dim)))
    return tuple(states)


def shown(inr: list[float], days: float = 30.0, plan: float = 4.0, last: float = 4.0) -> PatientState:
    """Patients with these INRs, and where their titration stands."""
    state = visits()[0].rows(torch.arange(len(inr)))
    memory = state.memory.clone()
    memory[:, COLUMN["plan"]] = plan
    vitals = state.vitals.clone()
    vitals[:, 0] = torch.tensor(inr)
    hours, dose = torch.full((len(inr),), days * DAY), torch.full((len(inr), 1), last)
    return state.replace(vitals=vitals, memory=memory, hours=hours, last_dose=dose)


def test_thresholds_are_those_published() -> None:
    inr = torch.tensor([1.2, 1.7, 2.5, 3.5, 5.5])
    assert threshold_factor(inr, torch.full((5,), 240.0)).tolist() == pytest.approx([1.15, 1.10, 1.0, 0.90, 0.85])
    assert threshold_factor(inr, torch.full((5,), 72.0)).tolist() == pytest.approx([1.0, 1.0, 1.0, 0.90, 0.85])


def test_titration_starts_holds_and_remembers() -> None:
    start = torch.full((3,), 5.0)
    assert titrated(shown([1.2, 2.5, 6.0]), start).tolist() == pytest.approx([4.6, 4.0, 0.0])
    assert titrated(shown([1.2, 2.5, 6.0]), start, hold=None)[2] == pytest.approx(3.4)
    assert titrated(shown([1.0, 1.0, 1.0], plan=0.0), start).tolist() == [5, 5, 5]
    held = plan_after(shown([6.0]), torch.zeros(1))
    assert held.item() == pytest.approx(3.4)  # goes on from there once the INR has come down
    followed = plan_after(shown([2.5]), torch.tensor([8.0]))
    assert followed.item() == pytest.approx(4 * 2**0.3)


@pytest.mark.parametrize("t", [0, 1, 4])
def test_log_prob_is_exact_and_never_degenerate(t: int) -> None:
    clinician, state = WarfarinClinician(2.0, 1.0), visits()[t]
    every = torch.stack(
        [clinician.log_prob(state, dose_of_action(SPEC, torch.full((len(state),), a))) for a in range(SPEC.actions)], 1
    ).exp()
    assert torch.allclose(every.sum(1), torch.ones(len(state)), atol=1e-5)
    assert torch.allclose(every, clinician.probs(state), atol=1e-6)
    assert every.min() >= 0.002 - 1e-6


def test_doses_follow_their_probabilities() -> None:
    clinician = WarfarinClinician()
    many = visits()[3].rows(torch.full((40_000,), 7))
    dose = clinician.dose(many, torch.randn(40_000, 1, generator=torch.Generator().manual_seed(0)))
    share = torch.bincount(action_of_dose(SPEC, dose), minlength=SPEC.actions) / 40_000
    assert torch.allclose(share, clinician.probs(many)[0], atol=0.012)


def confounded(confounding: float, hidden: float = 0.0, rows: int = 8000) -> tuple[float, float]:
    """Bias of the effect of log(dose / rule) on log INR after a first interval of a week, and its standard error.

    The bias is the slope of what would have been under the rule itself, with the same noise.
    """
    model, clinician, row = Warfarin(), WarfarinClinician(confounding, hidden), seeds(0, rows)
    zero = torch.zeros_like(row)
    state = model.admit(None, normals(row, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    rule = clinician.rule(state)[:, None]
    dose = clinician.intended(state, normals(row, zero, zero, clinician.noise_dim, stream=ACTOR))
    week = torch.full((rows,), 7 * DAY)
    after = model.step(state, rule, week, normals(row, zero, zero, model.noise_dim))
    x, y = (dose / rule).log()[:, 0], after.vitals[:, 0].log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).mean() / x.square().mean()).item(), (y.std() / x.std() / rows**0.5).item()


def test_knobs_bias_the_effect_of_the_dose_by_a_growing_amount() -> None:
    (plain, error), (two, _), (four, _) = (confounded(c) for c in (0.0, 2.0, 4.0))
    assert abs(plain) < 3 * error
    assert -3 * error > two > four  # those given less were more sensitive: the drug looks weaker than it is
    assert -3 * error > confounded(0.0, 2.0)[0] > confounded(0.0, 4.0)[0]


def test_knobs_hardly_change_quality() -> None:
    values = [
        rollout(treatment("posology/Warfarin-v0"), WarfarinClinician(*knobs), 1500).returns.mean().item()
        for knobs in ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0))
    ]
    assert max(values) - min(values) < 0.02


def test_visits_follow_the_course() -> None:
    early = shown([2.5, 6.0], days=3.0)
    assert (clinic_visits(early, early.last_dose) / DAY).tolist() == [3, 3]
    for days, expected in ((10.0, [7, 7, 7, 3]), (20.0, [14, 7, 7, 3]), (40.0, [28, 7, 7, 3])):
        state = shown([2.5, 1.8, 3.4, 6.0], days=days)
        assert (clinic_visits(state, state.last_dose) / DAY).tolist() == expected
        assert clinic_visits(state, state.last_dose * 1.2)[0] == 7 * DAY
    assert (clinic_visits(state, torch.zeros(4, 1)) / DAY).tolist() == [3, 3, 3, 3]
    ordered = torch.tensor([[4.0, 0.0], [4.0, 14.0], [4.0, 28.0], [0.0, 7.0]])
    assert (clinic_visits(state, ordered) / DAY).tolist() == [28, 14, 28, 7]


@pytest.mark.parametrize("actor", [FixedDose(), Titration(), Titration("clinical"), Titration("pharmacogenetic")])
def test_rules_give_their_own_dose_its_probability(actor: FixedDose | Titration) -> None:
    state = visits()[2]
    dose = actor.dose(state, torch.zeros(len(state), 0))
    assert (actor.log_prob(state, dose) == 0).all()
    assert (actor.log_prob(state, dose + 14) == -torch.inf).all()
