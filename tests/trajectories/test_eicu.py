"""The shipped sepsis task on the eICU demo."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from posology.trajectories.codes import covers
from posology.trajectories.records import Records, read_trajectories, wanted_patterns
from posology.trajectories.task_file import load_task
from slow_reference import assert_equal, reference

EICU = Path(os.environ.get("POSOLOGY_DATA", "")) / "eicu_demo_meds"
needs_eicu = pytest.mark.skipif(not (EICU / "data").is_dir(), reason="POSOLOGY_DATA does not hold eicu_demo_meds")


@pytest.fixture(scope="module")
def records() -> Records:
    return read_trajectories(EICU, load_task("sepsis_eicu"))


@needs_eicu
def test_the_eicu_demo_is_read_and_counted(records) -> None:
    assert records.flow[0].stays == 2508 and records.flow[-1].stays == len(records.trajectories) >= 150
    assert [f.stays for f in records.flow] == sorted((f.stays for f in records.flow), reverse=True)
    assert len(records.trajectories.site.unique()) > 50 and not records.warnings
    for value in vars(records.trajectories).values():
        assert not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all())


@needs_eicu
def test_no_hospital_left_charts_a_vasopressor_without_its_concentration(records) -> None:
    dropped = [use for use in records.coverage.codes if use.use == "dropped"]
    assert {use.unit for use in dropped} == {"ml/hr", "mg/kg/min", "units/hr"}
    frame = pd.concat(pd.read_parquet(f, columns=["code", "hospital_id"]) for f in EICU.glob("data/*/*.parquet"))
    charting = frame[frame.code.isin([use.code for use in dropped if use.unit == "ml/hr"])].hospital_id
    assert charting.nunique() > 30 and not set(charting.astype(int)) & set(records.trajectories.site.tolist())


@needs_eicu
def test_the_eicu_demo_agrees_with_the_slow_reference(records) -> None:
    task = load_task("sepsis_eicu")
    given = records.trajectories.subject[(records.trajectories.dose > 0).any(1).all(1)].unique()
    chosen = given[[0, len(given) // 2]].tolist()
    frame = pd.concat(
        pd.read_parquet(f, filters=[("subject_id", "in", chosen)]) for f in sorted(EICU.glob("data/*/*.parquet"))
    )
    frame = frame.rename(columns={"subject_id": "subject", "numeric_value": "value"}).reset_index(drop=True)
    frame = frame.assign(code=frame.code.astype(str), site=frame.hospital_id.astype(int))
    patterns = wanted_patterns(task)
    frame = frame[frame.code.isin([c for c in frame.code.unique() if any(covers(p, c) for p in patterns)])]
    frame = frame.reset_index(drop=True)
    micro = frame.time.astype("datetime64[us]").astype("int64").where(frame.time.notna())
    expected = reference(frame.assign(time=micro.astype(float), value=frame.value.astype(float)), task)
    rows = torch.isin(records.trajectories.subject, torch.from_numpy(np.array(chosen)))
    assert len(expected) >= 2
    assert_equal(dataclasses.replace(records, trajectories=records.trajectories.rows(rows)), expected)
