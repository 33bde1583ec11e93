"""What malformed cases start from: a small sound dataset and task, and how the outcome of a case is judged."""

from __future__ import annotations

import functools
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ...contracts import Trajectories
from ...trajectories.records import Records, read_trajectories
from ...trajectories.task import Task
from ...trajectories.task_file import parse_task
from ..errors import EXPECTED

HOUR = 3_600_000_000  # microseconds
ADMITTED = 4_102_444_800_000_000  # 2100-01-01
PATIENTS = 12
PACKAGE = str(Path(__file__).resolve().parents[2])

TASK = """
name: case
interval: 4
horizon: 3
cohort: {anchor: [ICU_ADMISSION], min_age: 18}
outcome: {discharged: [ICU_DISCHARGE], died: [MEDS_DEATH]}
features:
  pressure: {unit: mmHg, codes: [MAP//ART//mmHg], low: 10, high: 250, reference: [60, 90]}
  lactate: {unit: mmol/L, codes: [LACTATE], low: 0.1, high: 40, reference: [1, 5], scale: log}
context:
  age: {kind: years, codes: [MEDS_BIRTH], low: 18, high: 120, reference: [50, 80]}
drugs:
  pressor: {unit: ug/kg/min, by: rate, high: 2, levels: [0, 0.1, 0.3], cuts: [0, 0.2], items: {A: {max_rate: 2}}}
"""


@dataclass(frozen=True)
class Case:
    """One malformed input: how to make and read it, and what must come of it.

    `message` are fragments of the one sentence that must be said; without any, `right` must hold of the result.
    """

    reader: str
    name: str
    run: Callable[[Path], object]  # in an empty folder
    message: tuple[str, ...] = ()
    right: Callable[[Any], bool] | None = None
    either: bool = False  # whether a clear error will do as well as a right result


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    reader: str
    name: str
    kind: str  # "clear error", "correct result", or what is wrong
    said: str = ""


def judge(case: Case, folder: Path) -> Outcome:
    """Run a case: a clear error of our own or a correct result; anything else is a defect."""
    folder.mkdir(parents=True)
    try:
        result = case.run(folder)
    except EXPECTED as error:
        said = str(error).replace(str(folder), "FOLDER")
        lacking = [part for part in case.message if part not in said]
        if not _ours(error):
            return Outcome(case.reader, case.name, "error from inside a library", f"{type(error).__name__}: {said}")
        if not case.message and not case.either:
            return Outcome(case.reader, case.name, "unexpected error", said)
        kind = f"error without {lacking[0]!r}" if lacking else "clear error"
        return Outcome(case.reader, case.name, kind, said)
    except Exception as error:
        return Outcome(case.reader, case.name, "traceback", f"{type(error).__name__}: {error}")
    right = case.right is not None and case.right(result)
    return Outcome(case.reader, case.name, "correct result" if right else "accepted, or wrong result")


def _ours(error: BaseException) -> bool:
    """Whether the error was raised by a statement of this package, not by a library under it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    own = str(Path(last.filename).resolve()).startswith(PACKAGE) and "site-packages" not in last.filename
    return own and (last.line or "").startswith("raise ")


def task() -> Task:
    """The sound task."""
    return parse_task(TASK, "case")


def table(patients: int = PATIENTS) -> pa.Table:
    """A sound dataset: half of the patients die."""
    rows: list[tuple[int, int | None, str, float | None]] = []
    for subject in range(1, patients + 1):
        rows.append((subject, None, "GENDER//M", None))
        rows.append((subject, ADMITTED - 40 * 365 * 24 * HOUR, "MEDS_BIRTH", None))
        rows.append((subject, ADMITTED, "ICU_ADMISSION", None))
        rows += [(subject, ADMITTED + h * HOUR, "MAP//ART//mmHg", 60.0 + subject + h) for h in range(1, 9)]
        rows.append((subject, ADMITTED + 2 * HOUR, "LACTATE", 2.0))
        rows.append((subject, ADMITTED + 3 * HOUR, "INFUSION_START//A", 0.2))
        rows.append((subject, ADMITTED + 7 * HOUR, "INFUSION_END//A", None))
        rows.append((subject, ADMITTED + 10 * HOUR, "MEDS_DEATH" if subject % 2 else "ICU_DISCHARGE", None))
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "subject_id": pa.array(columns[0], pa.int64()),
            "time": pa.array(columns[1], pa.timestamp("us")),
            "code": pa.array(columns[2], pa.string()),
            "numeric_value": pa.array(columns[3], pa.float32()),
        }
    )


def put(data: pa.Table, path: Path, rows: int = 50) -> Path:
    """Write one shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path, row_group_size=rows)
    return path


def read(data: pa.Table, folder: Path) -> Records:
    """Write and read one shard under the sound task."""
    return read_trajectories(put(data, folder / "events.parquet"), task())


def same(one: Trajectories, other: Trajectories) -> bool:
    """Whether two cohorts are equal, value by value."""
    return all(
        torch.equal(value, getattr(other, name)) for name, value in vars(one).items() if isinstance(value, torch.Tensor)
    )


def unchanged(result: object) -> bool:
    """Whether the trajectories are those of the sound dataset."""
    assert isinstance(result, Records)
    return same(result.trajectories, _sound())


@functools.cache
def _sound() -> Trajectories:
    with tempfile.TemporaryDirectory() as folder:
        return read(table(), Path(folder)).trajectories
