"""The same reading in plain pandas, shard by shard: what anyone would write first.

It does less than the reader (one cohort rule, no delays, nothing carried forward, no counts), so ratios to it are
conservative; where a feature was measured, and every dose, it agrees with the reader.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...trajectories.events import HOUR, SECOND
from ...trajectories.meds import shards
from ...trajectories.task import Task

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]


def read_with_pandas(path: Path, task: Task) -> Arrays:
    """Measured values (N, T, D), NaN where there are none, and doses (N, T, U), of stays by subject."""
    parts = [_shard(file, task) for file in shards(path)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _shard(file: Path, task: Task) -> Arrays:
    features = {next(iter(rule.codes)): i for i, rule in enumerate(task.features.values())}
    drugs = [drug.patterns(next(iter(drug.items))) for drug in task.drugs.values()]
    ends = [*task.outcome.discharged, *task.outcome.died]
    wanted = [*features, *(code for pair in drugs for code in pair), *task.cohort.anchor, *ends]
    frame = pd.read_parquet(file, columns=["subject_id", "time", "code", "numeric_value"])
    frame = frame[frame.code.isin(wanted)]
    frame["time"] = frame.time.astype("datetime64[us]").astype("int64")
    stays = frame[frame.code.isin(task.cohort.anchor)].groupby("subject_id").time.first().to_frame("zero") + SECOND
    stays["end"] = frame[frame.code.isin(ends)].groupby("subject_id").time.first()
    stays["row"] = np.arange(len(stays))
    frame = frame.merge(stays, left_on="subject_id", right_index=True)
    frame["hours"] = (frame.time - frame.zero) / HOUR
    return _values(frame, features, len(stays), task), _doses(frame, drugs, len(stays), task)


def _values(frame: pd.DataFrame, features: dict[str, int], stays: int, task: Task) -> NDArray[np.float64]:
    rows = frame[frame.code.isin(features) & (frame.time < frame.end) & frame.numeric_value.notna()].copy()
    rows["feature"] = rows.code.map(features)
    rows["step"] = np.floor(rows.hours / task.interval).astype(int) + 1
    rows = rows[(rows.step >= 0) & (rows.step < task.horizon)]
    last = rows.groupby(["row", "step", "feature"]).numeric_value.last()
    values = np.full((stays, task.horizon, len(features)), np.nan)
    values[tuple(last.index.to_frame().to_numpy().T)] = last.to_numpy()
    return values


def _doses(frame: pd.DataFrame, drugs: list[list[str]], stays: int, task: Task) -> NDArray[np.float64]:
    doses = np.zeros((stays, task.horizon, len(drugs)))
    for column, (start, end) in enumerate(drugs):
        begun = frame[frame.code == start].assign(number=lambda f: f.groupby("row").cumcount())
        ended = frame[frame.code == end].assign(number=lambda f: f.groupby("row").cumcount())
        pairs = begun.merge(ended, on=["row", "number"], suffixes=("", "_end"))
        limit = (pairs.end - pairs.zero) / HOUR
        for step in range(task.horizon):
            low = step * task.interval
            high = np.minimum(low + task.interval, limit)
            overlap = np.clip(np.minimum(pairs.hours_end, high) - np.maximum(pairs.hours, low), 0, None)
            share = pd.Series(overlap * pairs.numeric_value / np.clip(high - low, 1e-9, None), pairs.index)
            total = share.groupby(pairs.row).sum()
            doses[total.index.to_numpy(), step, column] = total.to_numpy()
    return doses
