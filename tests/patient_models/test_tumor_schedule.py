"""Scans on a clock in days: how often, how old, how many missed, and that each shows the tumour of its own day."""

import pytest
import torch
from posology.contracts import PatientState
from posology.patient_models.simulate import Course, follow
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_memory import TumorMemory, recall
from posology.patient_models.tumor_schedule import DailySchedule
from posology.patient_models.tumor_spec import DAY, SPEC, WEEK
from torch import Tensor

VOLUME = SPEC.feature("volume")


class Untreated:
    noise_dim = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return torch.zeros(len(state), 2)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros(len(state))


def course_of(*plan: float, patients: int = 400, weeks: int = 8) -> Course:
    return follow(Tumor(reading=0.0, schedule=DailySchedule(*plan)), Untreated(), patients, decisions=weeks, hours=WEEK)


def drawn(patients: int) -> Tensor:
    return torch.randn(patients, Tumor().admit_noise_dim, generator=torch.Generator().manual_seed(0))


def weeks_scanned(course: Course) -> Tensor:
    return torch.stack([s.seen[:, VOLUME] for s in course.states[1:]], 1)


@pytest.mark.parametrize("days", [7, 14, 28, 56])
def test_everybody_is_scanned_once_in_every_interval_on_a_day_of_their_own(days: int) -> None:
    seen = weeks_scanned(course_of(days, days))
    assert (seen.unflatten(1, (-1, days // 7)).sum(2) == 1).all()
    assert seen.float().mean(0).tolist() == pytest.approx([7 / days] * 8, abs=0.08)


def test_a_scan_shows_the_tumour_of_its_own_day() -> None:
    state = Tumor(schedule=DailySchedule(7, 7)).admit(None, drawn(300))
    memory = TumorMemory.unpack(state.memory)
    _, first, _ = DailySchedule(7, 7).plan(memory)
    after = Tumor(reading=0.0, schedule=DailySchedule(7, 7)).step(
        state, torch.zeros(300, 2), torch.full((300,), WEEK), torch.zeros(300, Tumor().noise_dim)
    )
    known = after.outcome == 0
    start, end, shown = memory.volume[0], recall(after.memory, "volume"), after.vitals[:, VOLUME]
    assert torch.equal(shown[known], recall(after.memory, "scan_volume")[known])
    assert (shown > start)[known].all() and (shown <= end)[known].all()  # untreated and without noise it only grows
    passed = ((shown / start).log() / (end / start).log())[known]  # of the week, by growth that slows down a little
    assert torch.equal((passed.double() * 7).round(), first[known])
    assert set(first.tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}


def test_daily_scans_are_of_the_day_and_missing_ones_leave_older_ones() -> None:
    daily = course_of(1, 1)
    assert weeks_scanned(daily).all()
    last = daily.states[-1]
    assert torch.equal(last.vitals[:, VOLUME], recall(last.memory, "volume"))
    rare = course_of(1, 1, 0.9, 0.9, patients=2000, weeks=1)
    assert weeks_scanned(rare).float().mean().item() == pytest.approx(1 - 0.9**7, abs=0.03)
    weekly = course_of(7, 7, 0.6, 0.6, patients=2000, weeks=4)
    assert weeks_scanned(weekly).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert not weeks_scanned(course_of(1, 1, 1.0, 1.0)).any()


def test_random_schedules_differ_between_patients_and_stay_theirs() -> None:
    schedule = DailySchedule(1, 56, 0.0, 0.8)
    memory = TumorMemory.unpack(Tumor().admit(None, drawn(5000)).memory)
    every, first, missed = schedule.plan(memory)
    assert every.min() == 1 and every.max() == 56 and every.log().mean().item() == pytest.approx(2.01, abs=0.06)
    assert (first >= 1).all() and (first <= every).all()
    assert missed.mean().item() == pytest.approx(0.4, abs=0.02) and missed.max() < 0.8
    traits = torch.stack((every.log(), missed, memory.volume[0].log().double(), memory.aspect[0].double()))
    apart = torch.corrcoef(traits) - torch.eye(4)
    assert apart.abs().max() < 0.06
    later, hours = memory._replace(volume=0.5 * memory.volume), torch.full((5000,), 30 * DAY)
    for before, after in zip(schedule.plan(memory), schedule.plan(later), strict=True):
        assert torch.equal(before, after)
    scanned, ago = schedule.latest(memory, hours, torch.zeros(5000, 5))
    assert (ago[scanned] <= 6).all() and (ago >= 0).all()


def test_bad_plans_are_refused() -> None:
    for wrong in ((0, 7), (7, 1), (1, 7, 0.5, 0.2), (1, 7, 0.0, 1.5)):
        with pytest.raises(ValueError, match="shortest"):
            DailySchedule(*wrong)
