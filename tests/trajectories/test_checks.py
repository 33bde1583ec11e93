"""Each check fires on what it is for, and is silent on sound data."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from posology.trajectories import grid
from posology.trajectories.checks import (
    action_in_state,
    coded_at_discharge,
    duplicated_stays,
    fitted_on_held_out,
    impossible_intervals,
    late_values,
    patient_in_two_splits,
    run_checks,
)
from posology.trajectories.records import read_trajectories
from posology.trajectories.split import split
from random_records import BASE, HOUR, SECOND, records_of


@pytest.fixture
def cohort(invent, written_task):
    return invent(written_task, 60, 4)


def events_of(count: int, extra: list = ()) -> list:
    return records_of(
        [[(BASE, "SHOCK", None), (BASE + 2 * HOUR, "LAST", 30.0 + i), *extra] for i in range(count)], [40] * count
    )


def test_sound_data_pass_every_check(small_task, write_events, tmp_path) -> None:
    records = read_trajectories(write_events(tmp_path / "e.parquet", events_of(30)), small_task)
    found = run_checks(records.trajectories, split(records.trajectories), records.coverage, small_task.spec)
    assert len({check.name for check in found}) == 7
    assert [(check.status, check.found, check.remedy) for check in found] == [("passed", 0, "")] * 7


def test_a_feature_that_is_the_dose_chosen_after_it(cohort) -> None:
    assert action_in_state(cohort).status == "passed"
    vitals, seen = cohort.vitals.clone(), cohort.seen.clone()
    vitals[:, :-1, 2], seen[:, :-1, 2] = 3 * cohort.dose[:, :, 0] + 1, True
    check = action_in_state(cohort.replace(vitals=vitals, seen=seen))
    assert (
        (check.status, check.found) == ("failed", 1)
        and check.detail == "rate follows pressor"
        or "follows pressor" in check.detail
    )
    before = vitals.clone()
    before[:, 1:, 2] = 3 * cohort.dose[:, :, 0] + 1  # the dose of the interval before is no leak
    assert action_in_state(cohort.replace(vitals=before, seen=seen)).status == "passed"


def test_values_known_only_after_the_decision(small_task, write_events, tmp_path, monkeypatch) -> None:
    path = write_events(tmp_path / "e.parquet", events_of(3))
    assert late_values(read_trajectories(path, small_task).coverage).status == "passed"
    windows = grid._windows
    monkeypatch.setattr(
        grid, "_windows", lambda found, stays, task: windows(found, stays, task) - 1
    )  # a reader that leaks
    check = late_values(read_trajectories(path, small_task).coverage)
    assert (check.status, check.found, check.detail) == ("failed", 3, "last: 3")


def test_scaling_or_levels_that_the_task_did_not_name(cohort, written_task) -> None:
    parts = split(cohort)
    assert fitted_on_held_out(parts, written_task.spec).status == "passed"
    drug = dataclasses.replace(cohort.spec.drugs[0], levels=(0.0, 0.13, 0.4))
    spec = dataclasses.replace(cohort.spec, drugs=(drug, *cohort.spec.drugs[1:]))
    check = fitted_on_held_out(parts | {"held_out": parts["held_out"].replace(spec=spec)}, written_task.spec)
    assert (check.status, check.found, check.of) == ("failed", 1, 3) and "held_out" in check.detail


def test_a_patient_in_two_splits(cohort) -> None:
    parts = split(cohort)
    assert patient_in_two_splits(parts).status == "passed"
    stray = parts["train"].subject[:2]
    moved = parts["held_out"].subject.clone()
    moved[:2] = stray
    check = patient_in_two_splits(parts | {"held_out": parts["held_out"].replace(subject=moved)})
    assert (check.status, check.found) == ("failed", 2)


def test_codes_timed_at_discharge(small_task, write_events, tmp_path) -> None:
    end = BASE + 26 * HOUR
    once = read_trajectories(write_events(tmp_path / "a.parquet", events_of(25, [(end - 1, "RATE", 3.0)])), small_task)
    assert coded_at_discharge(once.coverage).status == "passed"
    coded = read_trajectories(write_events(tmp_path / "b.parquet", events_of(25, [(end, "RATE", 3.0)])), small_task)
    check = coded_at_discharge(coded.coverage)
    assert (check.status, check.found, check.detail) == ("warning", 1, "rate: RATE")


def test_duplicated_stays(cohort) -> None:
    assert duplicated_stays(cohort).status == "passed"
    copies = torch.cat((torch.arange(60), torch.tensor([3, 7])))
    twice = cohort.rows(copies).replace(subject=torch.arange(62))
    known = int(((cohort.seen[[3, 7]]).sum((1, 2)) >= 5).sum())
    check = duplicated_stays(twice)
    assert known and (check.status, check.found) == ("failed", known)


def test_impossible_intervals(cohort) -> None:
    assert impossible_intervals(cohort).status == "passed"
    hours, mask = cohort.hours.clone(), cohort.mask.clone()
    hours[0, 0], hours[1, 0] = -4.0, 24 * 400.0
    check = impossible_intervals(cohort.replace(hours=hours))
    assert (check.status, check.found) == ("failed", 2)
    row = int((cohort.length == 3).nonzero()[0])
    mask[row, 1] = False
    assert impossible_intervals(cohort.replace(mask=mask)).found == 1
    short = torch.where(cohort.mask, SECOND / HOUR, 0.0)
    assert impossible_intervals(cohort.replace(hours=short)).status == "warning"
