"""A synthetic MEDS dataset of any size, in the codes of a shipped task, with as many codes again that no task wants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...trajectories.events import HOUR
from ...trajectories.task import Task

STAY = 72  # hours of each stay
EVENTS = 500  # of each subject
NOISE = 1000  # codes that nobody asks for
_START = 4_102_444_800_000_000  # 2100-01-01, in microseconds


def write_dataset(folder: Path, task: Task, *, events: int, shards: int, seed: int = 0) -> Path:
    """About `events` events in `shards` shards of equal size; half of the events have a code that the task reads."""
    (folder / "data").mkdir(parents=True)
    per_shard = max(1, round(events / shards / EVENTS))
    for shard in range(shards):
        first = 1 + shard * per_shard
        table = _shard(np.arange(first, first + per_shard), task, np.random.default_rng((seed, shard)))
        pq.write_table(table, folder / "data" / f"{shard:03}.parquet", compression="zstd")
    return folder


def _shard(subjects: NDArray[np.int64], task: Task, rng: np.random.Generator) -> pa.Table:
    """Events of some subjects, sorted by subject and time: one stay each, of 72 hours."""
    features = [(next(iter(rule.codes)), rule) for rule in task.features.values()]
    infusions = [drug.patterns(next(iter(drug.items))) for drug in task.drugs.values()]
    codes = [task.cohort.anchor[0], task.cohort.birth[0], task.outcome.discharged[0], task.outcome.died[0]]
    codes += [code for code, _ in features] + [code for pair in infusions for code in pair]
    noise = len(codes)
    codes += [f"OTHER//{i}//units" for i in range(NOISE)]
    n, given = len(subjects), 12
    parts = [_events(subjects, 0, 0 * subjects, np.nan)]
    parts.append(_events(subjects, 1, -rng.integers(20, 80, n) * 8766 * HOUR, np.nan))
    parts.append(_events(subjects, rng.choice([2, 3], n), np.full(n, STAY * HOUR), np.nan))
    half = (EVENTS - 3 - 2 * given * len(infusions)) // 2
    owner = np.repeat(subjects, half)
    which = rng.integers(0, len(features), len(owner))
    low = np.array([rule.reference[0] for _, rule in features])[which]
    high = np.array([rule.reference[1] for _, rule in features])[which]
    parts.append(_events(owner, 4 + which, _times(rng, len(owner)), rng.uniform(low, high)))
    parts.append(
        _events(owner, noise + rng.integers(0, NOISE, len(owner)), _times(rng, len(owner)), rng.random(len(owner)))
    )
    for column in range(len(infusions)):
        owner = np.repeat(subjects, given)
        start = np.tile(np.arange(given), n) * (STAY // given) * HOUR + rng.integers(1, HOUR, len(owner))
        rate = rng.uniform(0.01, 0.3, len(owner))
        begun = 4 + len(features) + 2 * column
        parts.append(_events(owner, begun, start, rate))
        parts.append(_events(owner, begun + 1, start + rng.integers(HOUR, 5 * HOUR, len(owner)), rate * 3))
    subject, code, time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((time, subject))
    names = pa.DictionaryArray.from_arrays(code[order].astype(np.int32), codes).cast(pa.string())
    return pa.table(
        {
            "subject_id": subject[order],
            "time": pa.array(_START + time[order], pa.timestamp("us")),
            "code": names,
            "numeric_value": pa.array(value[order].astype(np.float32), from_pandas=True),
        }
    )


def _events(subject: NDArray[np.int64], code: object, time: NDArray[np.int64], value: object) -> tuple[NDArray, ...]:  # type: ignore[type-arg]
    return (
        subject,
        np.broadcast_to(np.asarray(code), subject.shape),
        time,
        np.broadcast_to(np.asarray(value), subject.shape),
    )


def _times(rng: np.random.Generator, size: int) -> NDArray[np.int64]:
    return rng.integers(-6 * HOUR, STAY * HOUR, size)
