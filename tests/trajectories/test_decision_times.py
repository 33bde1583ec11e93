"""Natural decision times: against the slow reference, and what they mean."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posology.trajectories.decision_times import dose_changes
from posology.trajectories.infusions import Infusions
from posology.trajectories.meds import MedsError
from posology.trajectories.records import read_trajectories
from posology.trajectories.task import Task
from random_records import BASE, HOUR, SECOND, events_of_subject, records_of
from slow_reference import assert_equal, frame_of, reference

RULES = [
    {"at": ["CALL", "MANY*"]},
    {"at": ["CALL", "MEAN"], "delay": 0.75, "least": 1, "greatest": 5},
    {"when": "dose change"},
    {"when": "dose change", "least": 1.5, "greatest": 6},
]


def with_rule(task: Task, rule: dict) -> Task:
    return Task.model_validate(task.model_dump() | {"decisions": rule})


@pytest.mark.parametrize("rule", RULES, ids=str)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(subjects=st.lists(events_of_subject, min_size=1, max_size=3), shock=st.integers(-5, 11))
def test_reading_agrees_with_the_slow_reference(rule, subjects, shock, small_task, write_events) -> None:
    task = with_rule(small_task, rule)
    events = records_of(subjects, [40] * 3) + [(0, BASE + shock * HOUR, "SHOCK", None)]
    expected = reference(frame_of(events), task)
    with tempfile.TemporaryDirectory() as folder:
        path = write_events(Path(folder) / "events.parquet", events)
        if expected:
            assert_equal(read_trajectories(path, task), expected)
        else:
            with pytest.raises(MedsError, match="no stay fits"):
                read_trajectories(path, task)


def read(task: Task, write_events, folder: Path, hours: list[tuple[float, str, float | None]]):
    """The trajectories of one stay whose time zero is hour 0."""
    events = [(BASE + SECOND + round(h * HOUR), code, value) for h, code, value in hours] + [(BASE, "SHOCK", None)]
    return read_trajectories(write_events(folder / "e.parquet", records_of([events], [40])), task).trajectories


def test_visits_within_the_least_hours_do_not_count(small_task, write_events, tmp_path) -> None:
    task = with_rule(small_task, {"at": ["CALL"], "least": 2, "greatest": 10})
    t = read(task, write_events, tmp_path, [(1, "CALL", None), (3, "CALL", None), (4, "CALL", None)])
    np.testing.assert_allclose(t.hours[0].numpy(), [3, 10, 10])
    assert t.outcome.tolist() == [0] and t.mask.all()


def test_a_measurement_at_the_visit_belongs_to_the_next_state(small_task, write_events, tmp_path) -> None:
    task = with_rule(small_task, {"at": ["CALL"]})
    t = read(task, write_events, tmp_path, [(5, "CALL", None), (5, "LAST", 30.0), (9, "CALL", None)])
    assert t.seen[0, :, 0].tolist() == [False, False, True, False]
    with_delay = with_rule(small_task, {"at": ["CALL"], "delay": 0.5})
    t = read(with_delay, write_events, tmp_path, [(5, "CALL", None), (5, "LAST", 30.0)])
    assert t.seen[0, :, 0].tolist() == [False, True, False, False]


def test_an_interval_holds_one_dose_where_decisions_follow_its_changes(small_task, write_events, tmp_path) -> None:
    task = with_rule(small_task, {"when": "dose change"})
    hours = [(2.0, "INFUSION_START//A", 0.5), (5.0, "INFUSION_END//A", None), (5.0, "INFUSION_START//A", 1.25)]
    t = read(task, write_events, tmp_path, [*hours, (11.0, "INFUSION_END//A", None)])
    np.testing.assert_allclose(t.hours[0].numpy(), [2, 3, 6])
    np.testing.assert_allclose(t.dose[0, :, 0].numpy(), [0, 0.5, 1.25])


def test_a_swapped_bag_and_the_end_of_a_bolus_are_no_changes() -> None:
    def infusions(*rows: tuple[int, int, float]) -> Infusions:
        start, end, rate = np.array(rows).T
        zero = np.zeros(len(rows), np.int64)
        return Infusions(zero, start.astype(np.int64), end.astype(np.int64), rate.astype(np.float64), zero, zero - 1)

    assert dose_changes(infusions((0, 5 * HOUR, 0.1), (5 * HOUR, 9 * HOUR, 0.1)))[1].tolist() == [0, 9 * HOUR]
    assert dose_changes(infusions((7, 7 + SECOND, 900)))[1].tolist() == [7]
