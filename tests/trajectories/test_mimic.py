"""The shipped sepsis task on the MIMIC-IV demo."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from posology.trajectories.codes import covers
from posology.trajectories.records import read_trajectories, wanted_patterns
from posology.trajectories.task_file import load_task
from slow_reference import assert_equal, reference

MIMIC = Path(os.environ.get("POSOLOGY_DATA", "")) / "mimic_iv_demo_meds" / "mimic_iv_demo_meds_events.parquet"
needs_mimic = pytest.mark.skipif(not MIMIC.is_file(), reason="POSOLOGY_DATA does not hold mimic_iv_demo_meds")


@needs_mimic
def test_the_mimic_demo_is_read_in_time_and_counted() -> None:
    start = time.perf_counter()
    records = read_trajectories(MIMIC, load_task("sepsis"))
    assert time.perf_counter() - start < 15
    assert records.flow[0].stays == 140 and records.flow[-1].stays == len(records.trajectories) >= 60
    assert [f.stays for f in records.flow] == sorted((f.stays for f in records.flow), reverse=True)
    measured = {f.name: f.measured for f in records.coverage.features}
    assert measured["heart_rate"] > 0.95 > measured["lactate"] > 0.05
    for value in vars(records.trajectories).values():
        assert not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all())


@needs_mimic
def test_the_mimic_demo_agrees_with_the_slow_reference() -> None:
    task = load_task("sepsis")
    frame = pd.read_parquet(MIMIC, columns=["subject_id", "time", "code", "value"])
    frame = frame.set_axis(["subject", "time", "code", "value"], axis=1)
    frame["code"] = frame.code.astype(str)
    patterns = wanted_patterns(task)
    wanted = [code for code in frame.code.unique() if any(covers(p, code) for p in patterns)]
    chosen = frame.subject.unique()[[0, 17]]
    frame = frame[frame.code.isin(wanted) & frame.subject.isin(chosen)].reset_index(drop=True)
    micro = frame.time.astype("int64").where(frame.time.notna())
    expected = reference(frame.assign(time=micro.astype(float), value=frame.value.astype(float)), task)
    records = read_trajectories(MIMIC, task)
    rows = torch.isin(records.trajectories.subject, torch.from_numpy(chosen.astype(np.int64)))
    assert expected
    assert_equal(dataclasses.replace(records, trajectories=records.trajectories.rows(rows)), expected)
