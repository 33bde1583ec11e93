"""Trajectories out as a MEDS dataset, such that reading it with the same task returns identical trajectories.

What the clinician saw is stamped one second before the decision, the doses are infusions from the decision to its end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from ..contracts import DIED, DISCHARGED, IN_CARE, Progress, Trajectories, silent
from .carry import valid_states
from .codes import example
from .events import HOUR, SECOND
from .quantities import FeatureRule
from .stays import YEAR
from .task import Task
from .writable import check_writable

TIME_ZERO = np.datetime64("2100-01-01T00:00:01", "us").astype(np.int64)  # of every stay: the dates are invented
_SCHEMA = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
    ]
)


def write_meds(
    trajectories: Trajectories, folder: str | Path, task: Task, *, shards: int = 1, progress: Progress = silent
) -> Path:
    """Write the stays as a MEDS 0.4 dataset under `folder`, which must not exist yet; the folder.

    Law: `read_trajectories(write_meds(x, folder, task), task).trajectories` is x, bit by bit, for x with canonical
    padding sorted by subject. ValueError where the task cannot express x (see `check_writable`), FileExistsError where
    the folder exists. The dataset appears whole or not at all.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or choose another folder")
    check_writable(trajectories, task)
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "data").mkdir(parents=True)
    try:
        for shard, rows in enumerate(torch.arange(len(trajectories)).chunk(shards)):
            table = _table(trajectories.rows(rows), task)
            pq.write_table(table, draft / "data" / f"{shard}.parquet", compression="zstd")
            progress((shard + 1) / shards, "writing MEDS")
        _write_metadata(draft / "metadata", task)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _table(t: Trajectories, task: Task) -> pa.Table:
    """All events of some stays, sorted by subject, time and code."""
    codes: list[str] = []
    parts = []
    for code, stay, time, value in _events(t, task):
        codes.append(code)
        value = np.broadcast_to(np.asarray(value, np.float32), stay.shape)
        parts.append((t.subject.numpy()[stay], time, np.full(len(stay), len(codes) - 1, np.int32), value))
    subject, time, number, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((number, time, subject))
    code = pa.DictionaryArray.from_arrays(number[order], codes).cast(pa.string())
    number_or_null = pa.array(value[order], pa.float32(), from_pandas=True)  # NaN: the event has no number
    table = pa.table([subject[order], pa.array(time[order], pa.timestamp("us")), code, number_or_null], schema=_SCHEMA)
    site = task.cohort.site
    if site is None or site.column is None:
        return table
    return table.append_column(
        site.column, pa.array(t.site.numpy()[np.searchsorted(t.subject.numpy(), subject[order])])
    )


_Event = tuple[str, NDArray[Any], NDArray[Any], Any]  # code, stays, times, numbers


def _events(t: Trajectories, task: Task) -> Iterator[_Event]:
    whole = t.hours == torch.tensor(task.interval)  # which float32 may not hold to the microsecond
    exact = torch.where(whole, torch.tensor(task.interval, dtype=torch.float64), t.hours.double())
    steps = np.round(exact.numpy() * HOUR).astype(np.int64)
    decision = TIME_ZERO + np.concatenate((np.zeros((len(t), 1), np.int64), np.cumsum(steps, 1)), 1)  # (N, T+1)
    everyone = np.arange(len(t))
    yield example(task.cohort.anchor[0]), everyone, decision[:, 0] - SECOND, np.nan
    if task.decisions is not None:
        stay, step = np.nonzero(t.mask.numpy()[:, 1:])
        yield example(task.decisions.at[0]), stay, decision[stay, step + 1], np.nan
    yield from _context_events(t, task, everyone)
    for column, rule in enumerate(task.features.values()):
        yield from _feature_events(t, column, rule, decision)
    for column, drug in enumerate(task.drugs.values()):
        stay, step = np.nonzero((t.dose[:, :, column] > 0).numpy())
        rate, item = t.dose[:, :, column].numpy()[stay, step], next(iter(drug.items))
        yield example(drug.starts(item)), stay, decision[stay, step], rate
        amount = rate.astype(np.float64) * steps[stay, step] / HOUR
        yield example(drug.ends(item) or ""), stay, decision[stay, step + 1], amount
    ends = {DISCHARGED: task.outcome.discharged, DIED: task.outcome.died, IN_CARE: task.outcome.censored}
    for outcome, patterns in ends.items():
        stay = np.flatnonzero(t.outcome.numpy() == outcome)
        if len(stay):
            yield example(patterns[0]), stay, decision[stay, t.length.numpy()[stay]], np.nan


def _feature_events(t: Trajectories, column: int, rule: FeatureRule, decision: NDArray[Any]) -> Iterator[_Event]:
    """A measurement one second before each decision that saw one; an older one carried in from before time zero."""
    code = example(next(iter(rule.codes)))
    stay, step = np.nonzero((t.seen[:, :, column] & valid_states(t)).numpy())
    yield code, stay, decision[stay, step] - SECOND, t.vitals[:, :, column].numpy()[stay, step]
    limit = torch.tensor(rule.max_age)
    stay = np.flatnonzero((~t.seen[:, 0, column] & (t.age[:, 0, column] < limit)).numpy())
    age = t.age[:, 0, column].double().numpy()[stay]
    yield code, stay, TIME_ZERO - np.round(age * HOUR).astype(np.int64), t.vitals[:, 0, column].numpy()[stay]


def _context_events(t: Trajectories, task: Task, everyone: NDArray[Any]) -> Iterator[_Event]:
    for column, (rule, values) in enumerate(zip(task.context.values(), t.context.numpy().T, strict=True)):
        code = example(next(iter(rule.codes)))
        if rule.kind == "years":
            birth = TIME_ZERO - np.round(values.astype(np.float64) * YEAR).astype(np.int64)
            yield code, everyone, birth, np.nan
        elif rule.kind == "presence":
            present = np.flatnonzero(t.context[:, column].numpy() == 1)
            yield code, present, np.full(len(present), TIME_ZERO - SECOND), np.nan
        else:
            yield code, everyone, np.full(len(everyone), TIME_ZERO - SECOND), values


def _write_metadata(folder: Path, task: Task) -> None:
    folder.mkdir()
    about = {"dataset_name": task.name, "dataset_version": "1", "etl_name": "posology", "meds_version": "0.4.0"}
    (folder / "dataset.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    rules = {**task.features, **task.context}
    described = {example(next(iter(rule.codes))): _text(rule.label or n, rule.unit) for n, rule in rules.items()}
    for name, drug in task.drugs.items():
        item = next(iter(drug.items))
        described[example(drug.starts(item))] = f"{_text(drug.label or name, drug.unit)}: mean rate from here"
        described[example(drug.ends(item) or "")] = (
            f"{drug.label or name}: end of the infusion; the number is rate x hours"
        )
    columns = {
        "code": pa.array(list(described), pa.string()),
        "description": pa.array(list(described.values()), pa.string()),
        "parent_codes": pa.nulls(len(described), pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), folder / "codes.parquet")


def _text(label: str, unit: str) -> str:
    return f"{label} ({unit})" if unit else label
