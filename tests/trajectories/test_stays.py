"""How stays end, and how long they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from posology.trajectories.meds import MedsError
from posology.trajectories.records import read_trajectories
from posology.trajectories.task import Task

HOUR, BASE = 3_600_000_000, 10**15


def outcomes(task: Task, write: Callable[..., Path], folder: Path, events: list) -> list[tuple[int, list[float]]]:
    """(outcome, hours of each decision) of each stay; hours of the events count from the first anchor."""
    rows = [(1, BASE - 50 * 365 * 24 * HOUR, "MEDS_BIRTH", None)]
    rows += [(1, BASE + round(hours * HOUR), code, None) for hours, code in events]
    t = read_trajectories(write(folder / "e.parquet", rows), task).trajectories
    return [(int(t.outcome[i]), [round(float(h), 3) for h in t.hours[i][t.mask[i]]]) for i in range(len(t))]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ([(6, "ICU_DISCHARGE")], (1, [4, 2])),
        ([(6, "DIED")], (2, [4, 2])),
        ([(6, "RECORD_END")], (0, [4, 2])),
        ([(6, "ICU_DISCHARGE"), (6, "DIED")], (2, [4, 2])),
        ([(6, "ICU_DISCHARGE"), (8, "DIED")], (2, [4, 2])),  # within the two hours that the task allows
        ([(6, "ICU_DISCHARGE"), (9, "DIED")], (1, [4, 2])),
        ([(12.5, "DIED")], (0, [4, 4, 4])),  # alive at the horizon
        ([(12 + 1 / 3600, "DIED")], (2, [4, 4, 4])),  # at the horizon: the last interval was its last
        ([(4 + 1 / 3600, "ICU_DISCHARGE")], (1, [4])),
    ],
)
def test_endings(small_task, write_events, tmp_path, ending, expected) -> None:
    events = [(0, "ICU_ADMISSION//X"), (0, "SHOCK"), *ending]
    got = outcomes(small_task, write_events, tmp_path, events)
    assert got == [(expected[0], pytest.approx(expected[1], abs=1e-3))]


def test_each_admission_is_a_stay_of_its_own(small_task, write_events, tmp_path) -> None:
    events = [(0, "ICU_ADMISSION//X"), (0, "ICU_ADMISSION//Y"), (0, "SHOCK"), (7, "ICU_DISCHARGE")]
    events += [(7, "ICU_ADMISSION//X"), (8, "SHOCK"), (20, "DIED")]
    got = outcomes(small_task, write_events, tmp_path, events)
    assert [outcome for outcome, _ in got] == [1, 2] and [len(hours) for _, hours in got] == [2, 3]


def test_a_stay_without_an_end_is_left_out(small_task, write_events, tmp_path) -> None:
    events = [(0, "ICU_ADMISSION//X"), (0, "SHOCK"), (30, "ICU_ADMISSION//X"), (30, "SHOCK"), (40, "ICU_DISCHARGE")]
    assert len(outcomes(small_task, write_events, tmp_path, events)) == 1


def test_a_sign_after_the_end_does_not_count(small_task, write_events, tmp_path) -> None:
    events = [(0, "ICU_ADMISSION//X"), (5, "ICU_DISCHARGE"), (6, "SHOCK")]
    with pytest.raises(MedsError, match="shock: 0"):
        outcomes(small_task, write_events, tmp_path, events)
