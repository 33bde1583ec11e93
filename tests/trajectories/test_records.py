"""Reading records against a slow, plain reference, and what is counted on the way."""

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
from posology.trajectories.task_file import parse_task
from random_records import BASE, CODES, HOUR, SECOND, events_of_subject, records_of
from slow_reference import assert_equal, frame_of, reference


def read(small_task: Task, write_events: Callable[..., Path], folder: Path, events: list) -> Records:
    return read_trajectories(write_events(folder / "e.parquet", records_of([events], [40])), small_task)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    subjects=st.lists(events_of_subject, min_size=1, max_size=3),
    birth=st.lists(st.integers(15, 60), min_size=3),
    shock=st.integers(-5, 11),
)
def test_reading_agrees_with_the_slow_reference(subjects, birth, shock, small_task, write_events) -> None:
    events = records_of(subjects, birth) + [(0, BASE + shock * HOUR, "SHOCK", None)]  # most have a stay at all
    expected = reference(frame_of(events), small_task)
    with tempfile.TemporaryDirectory() as folder:
        path = write_events(Path(folder) / "events.parquet", events, rows=7)
        if expected:
            assert_equal(read_trajectories(path, small_task), expected)
        else:
            with pytest.raises(MedsError, match="no stay fits"):
                read_trajectories(path, small_task)


def test_a_rate_counts_the_hours_that_a_window_really_had(small_task, write_events, tmp_path) -> None:
    zero = BASE + SECOND
    events = [(BASE, "SHOCK", None), (zero + 6 * HOUR, "RECORD_END", None)]
    events += [(zero - HOUR, "RATE", 40.0), (zero + HOUR, "RATE", 40.0), (zero + 5 * HOUR, "RATE", 40.0)]
    t = read(small_task, write_events, tmp_path, events).trajectories
    np.testing.assert_allclose(t.vitals[0, :3, 2].numpy(), [10, 10, 20])


def test_of_two_numbers_at_one_time_the_code_named_first_counts(small_task, write_events, tmp_path) -> None:
    both = [(BASE - HOUR, "LAST_F", 96.0), (BASE - HOUR, "LAST", 30.0), (BASE - HOUR, "LAST", 35.0)]
    for events in (both, both[::-1]):
        t = read(small_task, write_events, tmp_path, [*events, (BASE, "SHOCK", None)]).trajectories
        assert float(t.vitals[0, 0, 0]) == 35


def test_the_flow_counts_everyone_left_out(small_task, write_events, tmp_path) -> None:
    shock = [(BASE, "SHOCK", None)]
    events = records_of([shock, [], shock, shock], [40, 40, 17, 40])
    events += [(9, BASE, "ICU_ADMISSION//X", None)]
    records = read_trajectories(write_events(tmp_path / "e.parquet", events), small_task)
    assert [(f.step, f.stays) for f in records.flow] == [
        ("stays", 5), ("end recorded", 4), ("aged 18 or more", 3), ("shock", 2), ("in care at time zero", 2)
    ]  # fmt: skip
    assert records.trajectories.subject.tolist() == [0, 3]


def test_coverage_and_warnings_tell_what_was_thrown_away(small_task, write_events, tmp_path) -> None:
    zero = BASE + SECOND
    events = [(BASE, "SHOCK", None), (zero + 1, "LAST", 42.0), (zero + 2, "LAST", 999.0)]
    events += [(zero, "INFUSION_START//A", 9.0), (zero + 4 * HOUR, "INFUSION_END//A", None)]
    events += [(zero, "INFUSION_END//F", 4000.0), (zero, "INFUSION_START//B", -1.0)]
    records = read(small_task, write_events, tmp_path, events)
    last, pressor, fluid = records.coverage.features[0], *records.coverage.drugs
    assert (last.measured, last.values, last.out_of_bounds) == (0.25, 2, 1)
    assert (pressor.infusions, pressor.clipped, pressor.unpaired, pressor.without_number) == (2, 1, 1, 1)
    assert (fluid.unpaired, fluid.above_range) == (1, 1) and float(records.trajectories.dose[0, 0, 1]) == 500
    assert records.trajectories.dose[0, :, 0].tolist() == [1.5, 0, 0]
    assert "no code of weight occurs in these records" in records.warnings
    assert [c.known for c in records.coverage.context] == [1, 0, 1]


def test_the_numbers_alias_is_read_with_a_warning(small_task, write_events, tmp_path) -> None:
    events = records_of([[(BASE, "SHOCK", None), (BASE, "LAST", 30.0)]], [40])
    proper = read_trajectories(write_events(tmp_path / "a.parquet", events), small_task)
    alias = read_trajectories(write_events(tmp_path / "b.parquet", events, number="value"), small_task)
    assert torch.equal(proper.trajectories.vitals, alias.trajectories.vitals)
    assert any("`value` is read instead" in w for w in alias.warnings)
    assert not any("`value` is read instead" in w for w in proper.warnings)


def test_order_and_sharding_of_rows_change_nothing(small_task, write_events, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    own = [
        [(BASE + int(rng.integers(-9, 20)) * HOUR + i, str(rng.choice(CODES[:18])), float(rng.integers(0, 80)))
         for i in range(80)] + [(BASE, "SHOCK", None)]
        for _ in range(12)
    ]  # fmt: skip
    events = records_of(own, [40] * 12)
    whole = read_trajectories(write_events(tmp_path / "whole.parquet", events), small_task)
    mixed = [events[i] for i in rng.permutation(len(events))]
    shuffled = read_trajectories(write_events(tmp_path / "mixed.parquet", mixed, rows=50), small_task)
    for shard in range(3):
        part = [e for e in events if e[0] % 3 == shard]
        write_events(tmp_path / "set" / "data" / "train" / f"{shard}.parquet", part, rows=13)
    write_events(tmp_path / "set" / "metadata" / "subject_splits.parquet", events)
    monkeypatch.setattr("posology.trajectories.meds._READ_ROWS", 40)
    monkeypatch.setattr("posology.trajectories.meds._KEEP_ROWS", 60)
    sharded = read_trajectories(tmp_path / "set", small_task)
    assert len(whole.trajectories) == 12
    for other in (shuffled, sharded):
        assert other.flow == whole.flow and other.coverage == whole.coverage
        for name, value in vars(whole.trajectories).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, getattr(other.trajectories, name)), name


def test_progress_reaches_the_end(small_task, write_events, tmp_path) -> None:
    shares: list[float] = []
    path = write_events(tmp_path / "e.parquet", records_of([[(BASE, "SHOCK", None)]], [40]))
    read_trajectories(path, small_task, progress=lambda share, message: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1


def test_a_task_without_context_or_conditions_reads(write_events, tmp_path) -> None:
    task = parse_task(
        """
        name: bare
        interval: 1
        horizon: 2
        cohort: {anchor: [IN]}
        outcome: {discharged: [OUT], died: [DEAD]}
        features: {x: {codes: [X], low: 0, high: 9, reference: [1, 2]}}
        drugs: {d: {unit: mg/h, by: rate, high: 9, levels: [0, 1], cuts: [0.5], items: {D: {}}}}
        """,
        "bare",
    )
    events = [(1, 0, "IN", None), (1, HOUR, "X", 3.0), (1, 9 * HOUR, "OUT", None)]
    t = read_trajectories(write_events(tmp_path / "e.parquet", events), task).trajectories
    assert t.context.shape == (1, 0) and t.vitals[0, :, 0].tolist() == [1.5, 3, 3] and t.outcome.tolist() == [0]
