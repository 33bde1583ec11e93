"""The tumour patient: marrow and lung against published figures, deaths by cause, and the decisions they pose."""

import functools

import numpy as np
import pytest
import torch
from posology.contracts import DIED, PatientState
from posology.patient_models.simulate import Course, follow
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_course import inflamed
from posology.patient_models.tumor_marrow import DRAWS, SUBSTEPS, draw_marrow, one_day
from posology.patient_models.tumor_memory import TumorMemory, recall
from posology.patient_models.tumor_rule import TumorRule
from posology.patient_models.tumor_spec import SPEC, WEEK
from scipy.integrate import solve_ivp
from torch import Tensor

WEEKS, PATIENTS = 26, 1500
MODEL = Tumor()


class Plan:
    """Fixed units a week, and Gy a week up to a course."""

    noise_dim = 0

    def __init__(self, units: float, gray: float, course: float = 1e9) -> None:
        self.units, self.gray, self.course = units, gray, course

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        going = state.total_dose[:, 1] / WEEK < self.course - 1
        return torch.stack((torch.full((len(state),), self.units), torch.where(going, self.gray, 0.0)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros(len(dose))


@functools.cache
def cohort(units: float, gray: float, course: float = 1e9) -> Course:
    return follow(MODEL, Plan(units, gray, course), PATIENTS, decisions=WEEKS, hours=WEEK)


def mortality(course: Course) -> float:
    return (course.outcome == DIED).float().mean().item()


def counts(rows: int, days: int, *, every: int, units: float, substeps: tuple[float, ...] = SUBSTEPS) -> Tensor:
    """Neutrophils (days, rows) of patients given `units` every so many days; row 0 is the typical patient."""
    noise = torch.randn(rows, DRAWS, generator=torch.Generator().manual_seed(0))
    noise[0] = 0
    marrow, path = draw_marrow(noise), []
    for day in range(days):
        marrow, _ = one_day(marrow, torch.full((rows,), units if day % every == 0 else 0.0), substeps)
        path.append(marrow.cells[4])
    return torch.stack(path)


def published(hours: float, y: np.ndarray, rate: float) -> list[float]:
    """The equations of Ozawa et al. (2007) with their tables 2 and 3, in hours, from 3.4e9 cells/L."""
    plasma, fast, slow, p, t1, t2, t3, n = y
    c, k = plasma / 6.94, 4 / 113
    back = (3.4 / n) ** 0.196
    return [
        rate - (35.7 + 5.58 + 12.5) * c + 5.58 * fast / 7.39 + 12.5 * slow / 225,
        5.58 * (c - fast / 7.39),
        12.5 * (c - slow / 225),
        k * p * ((1 - 17.9 * c) * back - 1),
        k * (p - t1),
        k * (t1 - t2),
        k * (t2 - t3),
        k * (t3 - n),
    ]


def test_a_standard_dose_has_the_published_nadir() -> None:
    """100 mg over an hour: down to .89e9/L on day 9.1, recovered by day 21."""
    start = solve_ivp(published, (0, 1), [0.0] * 3 + [3.4] * 5, args=(100.0,), method="LSODA", rtol=1e-8, atol=1e-10)
    ends = np.arange(24, 22 * 24, 24)
    later = solve_ivp(
        published, (1, ends[-1]), start.y[:, -1], args=(0.0,), method="LSODA", rtol=1e-8, atol=1e-10, t_eval=ends
    )
    ours = counts(1, 21, every=99, units=2.5)[:, 0].numpy()
    np.testing.assert_allclose(ours, later.y[-1], rtol=0.01)
    assert ours.min() == pytest.approx(0.89, abs=0.02) and ours.argmin() + 1 == 9
    assert ours[-1] > 3.4


def test_patients_differ_as_published() -> None:
    """After one standard dose: grade 3 or worse in 55 %, grade 4 in 29 %, with our choice of counts before it."""
    nadir = counts(2000, 21, every=99, units=2.5).min(0).values
    assert (nadir < 1.0).float().mean().item() == pytest.approx(0.55, abs=0.04)
    assert (nadir < 0.5).float().mean().item() == pytest.approx(0.29, abs=0.04)


@pytest.mark.parametrize(("every", "units", "within"), [(21, 2.5, 0.01), (7, 1.0, 0.025)])
def test_shorter_sub_steps_change_little(every: int, units: float, within: float) -> None:
    fine = tuple(h / 4 for h in SUBSTEPS for _ in range(4))
    ratio = counts(500, 42, every=every, units=units) / counts(500, 42, every=every, units=units, substeps=fine)
    assert (ratio - 1).abs().flatten().quantile(0.99).item() < within


def test_pneumonitis_follows_the_published_curve() -> None:
    """Seppenwoolde et al. (2003): half of patients at a mean lung dose of 30.8 Gy, 19 % at 20.8 Gy."""
    state = MODEL.admit(None, torch.randn(4000, MODEL.admit_noise_dim, generator=torch.Generator().manual_seed(0)))
    memory = TumorMemory.unpack(state.memory)
    for lung, risk in ((20.8, 0.190), (30.8, 0.5), (42.2, 0.841)):
        hurt = inflamed(memory._replace(gray=lung / memory.lung_share)).float().mean().item()
        assert hurt == pytest.approx(risk, abs=0.025)


def test_neither_nothing_nor_the_most_is_best() -> None:
    died = {units: mortality(cohort(units, 10.0, 60.0)) for units in (0.0, 0.5, 1.5, 2.5)}
    assert min(died, key=died.__getitem__) == 0.5
    assert died[0.5] < min(died[0.0], died[1.5]) - 0.1
    course = {gray: mortality(cohort(0.5, 10.0, gray)) for gray in (0.0, 60.0, 120.0)}
    assert course[60.0] < min(course[0.0], course[120.0]) - 0.05
    assert mortality(cohort(0.0, 0.0)) > 0.55 and mortality(cohort(2.5, 10.0)) > 0.8


def test_deaths_have_the_cause_that_was_given() -> None:
    for (units, gray), cause in (((0.0, 0.0), 1), ((2.5, 0.0), 2), ((0.0, 10.0), 3)):
        course = cohort(units, gray)
        causes = recall(course.states[-1].memory, "cause")
        dead = course.outcome == DIED
        assert (causes[~dead] == 0).all() and (causes[dead] == cause).float().mean() > 0.9


def test_clinician_and_rule_fare_as_documented() -> None:
    clinician = follow(MODEL, MODEL.clinician(), 3000, decisions=WEEKS, hours=WEEK)
    rule = follow(MODEL, TumorRule(), 3000, decisions=WEEKS, hours=WEEK)
    assert mortality(clinician) == pytest.approx(0.12, abs=0.025)
    assert mortality(rule) < mortality(clinician) - 0.03


def test_quality_does_not_move_with_confounding() -> None:
    plain, shown, hidden = (
        mortality(follow(MODEL, MODEL.clinician(*knobs), 3000, decisions=WEEKS, hours=WEEK))
        for knobs in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    )
    assert abs(shown - plain) < 0.02 and abs(hidden - plain) < 0.02


def test_scans_follow_their_schedule_and_missed_ones_are_not_seen() -> None:
    for model, weeks in ((Tumor(scan_weeks=3), 3), (Tumor(scan_weeks=1), 1)):
        course = follow(model, Plan(0.5, 0.0), 20, decisions=12, hours=WEEK)
        for week, state in enumerate(course.states):
            assert state.seen[:, 1:3].all() if week % weeks == 0 else not state.seen[:, 1:3].any()
            assert state.seen[:, 0].all() and (state.age[:, 1] == (week % weeks) * WEEK).all()
    missing = follow(Tumor(scan_weeks=1, missed=0.6), Plan(0.5, 0.0), 500, decisions=4, hours=WEEK)
    assert missing.states[0].seen.all()
    assert missing.states[3].seen[:, 1].float().mean().item() == pytest.approx(0.4, abs=0.07)


def test_patients_may_be_scanned_at_their_own_pace() -> None:
    course = follow(Tumor(scan_weeks=0), Plan(0.5, 0.0), 400, decisions=8, hours=WEEK)
    scans = torch.stack([s.seen[:, 1] for s in course.states[1:]], 1).sum(1)
    share = [(scans == 8 // pace).float().mean().item() for pace in (1, 2, 4, 8)]
    assert share == pytest.approx([0.25] * 4, abs=0.07) and sum(share) == pytest.approx(1)


def test_bad_settings_are_refused() -> None:
    for wrong in ({"scan_weeks": -1}, {"missed": 1.5}, {"variability": -1.0}):
        with pytest.raises(ValueError, match="scan_weeks"):
            Tumor(**wrong)
    with pytest.raises(ValueError, match="noise"):
        MODEL.admit(None, torch.zeros(3, 2))
    with pytest.raises(KeyError, match="growth"):
        recall(torch.zeros(3, 40), "grwth")
    assert [f.name for f in SPEC.features][:2] == ["neutrophils", "volume"]
