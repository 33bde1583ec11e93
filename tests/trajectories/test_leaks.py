"""The laws that keep the future, and the doses of an interval, out of the state that decides on it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posology.trajectories.meds import MedsError
from posology.trajectories.records import Records, read_trajectories
from posology.trajectories.task import Task
from random_records import BASE, HOUR, SECOND, events_of_subject, records_of


def read(small_task: Task, write_events: Callable[..., Path], folder: Path, events: list) -> Records:
    return read_trajectories(write_events(folder / "e.parquet", records_of([events], [40])), small_task)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(own=events_of_subject, cut=st.integers(0, 3), junk=events_of_subject)
def test_a_state_does_not_know_the_future(own, cut, junk, small_task, write_events) -> None:
    """Whatever is changed at or after a decision, the end of the stay apart, the states up to it stay the same."""
    ends = ("ICU_ADMISSION", "ICU_DISCHARGE", "DIED", "RECORD_END")
    own = [e for e in own if not e[1].startswith(ends)] + [(BASE, "SHOCK", None)]
    signs = [t for t, code, v in own if code == "SHOCK" or (code == "LAST" and v is not None and v < 20)]
    signs += [t + 2 * HOUR for t, code, _ in own if code == "LATE"]
    zero = max(BASE, min(t for t in signs if t >= BASE - 6 * HOUR)) + SECOND
    now = zero + cut * 4 * HOUR
    past = [e for e in own if e[0] < now]
    changed = past + [(t, code, v) for t, code, v in junk if t >= now and not code.startswith(ends)]
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write_events(Path(folder) / f"{i}.parquet", records_of([e], [40])) for i, e in enumerate((own, changed))
        ]
        before, after = (read_trajectories(path, small_task).trajectories for path in paths)
    for name in ("vitals", "seen", "age"):
        assert torch.equal(getattr(before, name)[:, : cut + 1], getattr(after, name)[:, : cut + 1]), name
    assert torch.equal(before.context, after.context)


def test_an_event_at_the_decision_belongs_to_the_next_state(small_task, write_events, tmp_path) -> None:
    zero = BASE + SECOND
    shock = (BASE, "SHOCK", None)
    at = read(small_task, write_events, tmp_path, [shock, (zero, "LAST", 42.0)]).trajectories
    assert at.seen[0, :, 0].tolist() == [False, True, False, False] and float(at.vitals[0, 0, 0]) == 40
    just = read(small_task, write_events, tmp_path, [shock, (zero - 1, "LAST", 42.0)]).trajectories
    assert just.seen[0, :, 0].tolist() == [True, False, False, False] and float(just.vitals[0, 0, 0]) == 42


@pytest.mark.parametrize("end", [6, 12])  # censored between two decisions, and at the horizon
def test_an_event_at_the_end_is_not_in_the_last_state(end, small_task, write_events, tmp_path) -> None:
    last = BASE + SECOND + end * HOUR
    events = [(BASE, "SHOCK", None), (last, "RECORD_END", None), (last - 1, "RATE", 30.0), (last, "RATE", 50.0)]
    records = records_of([events, events], [40, 40])  # nor does it reach the next stay's first state
    t = read_trajectories(write_events(tmp_path / "e.parquet", records), small_task).trajectories
    states = -(-end // 4) + 1
    for stay in range(2):
        assert t.seen[stay, :, 2].nonzero().flatten().tolist() == [states - 1]
        np.testing.assert_allclose(float(t.vitals[stay, states - 1, 2]), 30 / ((end - 1) % 4 + 1))


def test_a_result_enters_when_it_is_known_not_when_it_was_drawn(small_task, write_events, tmp_path) -> None:
    zero, half = BASE + SECOND, HOUR // 2
    shock = (BASE, "SHOCK", None)
    at = read(small_task, write_events, tmp_path, [shock, (zero - half, "MEAN", 42.0)]).trajectories
    assert at.seen[0, :, 1].tolist() == [False, True, False, False]
    before = read(small_task, write_events, tmp_path, [shock, (zero - half - 1, "MEAN", 42.0)]).trajectories
    assert before.seen[0, :, 1].tolist() == [True, False, False, False]
    late = read(small_task, write_events, tmp_path, [(BASE, "LATE", None), (BASE + HOUR, "RATE", 8.0)]).trajectories
    assert float(late.vitals[0, 0, 2]) == 2  # time zero is two hours after the sign was stamped


def test_doses_cover_the_interval_that_follows_and_stay_out_of_states(small_task, write_events, tmp_path) -> None:
    zero = BASE + SECOND
    events = [(BASE, "SHOCK", None), (zero + 3 * HOUR, "INFUSION_START//A", 1.0)]
    events += [(zero + 5 * HOUR, "INFUSION_END//A", 77.0)]
    given = read(small_task, write_events, tmp_path, events).trajectories
    without = read(small_task, write_events, tmp_path, events[:1]).trajectories
    np.testing.assert_allclose(given.dose[0, :, 0].numpy(), [0.25, 0.25, 0])
    for name in ("vitals", "seen", "age"):
        assert torch.equal(getattr(given, name), getattr(without, name))


def test_time_zero_and_inclusion_ignore_what_comes_later(small_task, write_events, tmp_path) -> None:
    early = read(small_task, write_events, tmp_path, [(BASE + HOUR, "SHOCK", None)])
    later = read(small_task, write_events, tmp_path, [(BASE + h * HOUR, "SHOCK", None) for h in (1, 2, 9)])
    assert torch.equal(early.trajectories.hours, later.trajectories.hours)
    with pytest.raises(MedsError, match="stays: 1; end recorded: 1; aged 18 or more: 1; shock: 0"):
        read(small_task, write_events, tmp_path, [(BASE + 12 * HOUR, "SHOCK", None)])
