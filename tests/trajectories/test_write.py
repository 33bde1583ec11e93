"""The law of writing: what is read back is what was written, bit by bit; what cannot be written is refused."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posology.contracts import Trajectories
from posology.patient_models.sepsis_spec import SPEC
from posology.trajectories.records import read_trajectories
from posology.trajectories.task import Task
from posology.trajectories.task_file import load_task
from posology.trajectories.write import write_meds


def assert_same(x: Trajectories, y: Trajectories) -> None:
    assert x.spec == y.spec
    for name, value in vars(x).items():
        if isinstance(value, torch.Tensor):
            other = getattr(y, name)
            assert value.dtype == other.dtype and torch.equal(value, other), name


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(stays=st.integers(1, 40), seed=st.integers(0, 10**6), shards=st.integers(1, 5))
def test_reading_what_was_written_returns_the_same(stays, seed, shards, written_task, invent) -> None:
    x = invent(written_task, stays, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = write_meds(x, Path(folder) / "cohort", written_task, shards=shards)
        records = read_trajectories(path, written_task)
    assert_same(x, records.trajectories)
    assert records.flow[-1].stays == stays
    assert all(f.out_of_bounds == 0 for f in records.coverage.features)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(stays=st.integers(1, 40), seed=st.integers(0, 10**6), greatest=st.sampled_from([None, 90.0]))
def test_irregular_visits_make_the_round_trip(stays, seed, greatest, irregular_task, invent) -> None:
    rule = irregular_task.decisions.model_copy(update={"greatest": greatest})
    task = irregular_task.model_copy(update={"decisions": rule})
    x = invent(task, stays, seed)
    with tempfile.TemporaryDirectory() as folder:
        assert_same(x, read_trajectories(write_meds(x, Path(folder) / "cohort", task), task).trajectories)


def test_sites_come_back_from_their_column(written_task, invent, tmp_path) -> None:
    data = written_task.model_dump()
    data["cohort"]["site"] = {"column": "ward"}
    x = invent(written_task, 20, 2)
    x = x.replace(site=torch.arange(20) % 3)
    with pytest.raises(ValueError, match="expected site 0 everywhere"):
        write_meds(x, tmp_path / "none", written_task)
    task = Task.model_validate(data)
    assert_same(x, read_trajectories(write_meds(x, tmp_path / "cohort", task, shards=3), task).trajectories)


def test_visits_that_a_task_would_not_read_are_refused(irregular_task, invent, tmp_path) -> None:
    x = invent(irregular_task, 20, 0)
    row = int((x.length > 1).nonzero()[0])
    with pytest.raises(ValueError, match=f"stay {row}, decision 0: expected 0.5 to inf hours"):
        write_meds(changed(x, "hours", (row, 0), 0.4), tmp_path / "cohort", irregular_task)
    by_dose = Task.model_validate(irregular_task.model_dump() | {"decisions": {"when": "dose change"}})
    with pytest.raises(ValueError, match="only decisions `at` codes"):
        write_meds(x, tmp_path / "cohort", by_dose)


def test_the_built_in_cohort_makes_the_round_trip(invent, tmp_path) -> None:
    task = load_task("sepsis_simulated")
    x = invent(task, 400, 1)
    assert_same(x, read_trajectories(write_meds(x, tmp_path / "cohort", task, shards=3), task).trajectories)


def test_the_task_of_the_built_in_cohort_is_its_models_spec() -> None:
    assert load_task("sepsis_simulated").spec == SPEC


def test_the_files_follow_meds(invent, written_task, tmp_path) -> None:
    path = write_meds(invent(written_task, 5, 0), tmp_path / "cohort", written_task, shards=2)
    assert sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file()) == [
        "data/0.parquet", "data/1.parquet", "metadata/codes.parquet", "metadata/dataset.json"
    ]  # fmt: skip
    table = pq.read_table(path / "data" / "0.parquet")
    assert table.schema.field("subject_id").type == pa.int64() and table.schema.field("code").type == pa.string()
    assert table.schema.field("time").type == pa.timestamp("us")
    assert table.schema.field("numeric_value").type == pa.float32()
    frame = table.to_pandas()
    assert frame.equals(frame.sort_values(["subject_id", "time"], kind="stable"))
    assert json.loads((path / "metadata" / "dataset.json").read_text())["meds_version"] == "0.4.0"
    codes = pq.read_table(path / "metadata" / "codes.parquet").to_pydict()
    assert {"MEAN", "WEIGHT", "INFUSION_START//A"} <= set(codes["code"])


def test_nothing_is_overwritten_or_left_half_done(invent, written_task, tmp_path, monkeypatch) -> None:
    x = invent(written_task, 5, 0)
    write_meds(x, tmp_path / "cohort", written_task)
    with pytest.raises(FileExistsError, match="choose another folder"):
        write_meds(x, tmp_path / "cohort", written_task)
    monkeypatch.setattr("posology.trajectories.write._write_metadata", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_meds(x, tmp_path / "other", written_task)
    assert [f.name for f in tmp_path.iterdir()] == ["cohort"]


def changed(x: Trajectories, name: str, place: tuple[int, ...], value: float) -> Trajectories:
    tensor = getattr(x, name).clone()
    tensor[place] = value
    return x.replace(**{name: tensor})


def test_what_cannot_come_back_is_refused(invent, written_task, small_task, tmp_path) -> None:
    x = invent(written_task, 8, 3)
    row, column = (x.seen[:, 0]).nonzero()[0].tolist()
    late = int((x.length < written_task.horizon).nonzero()[0])
    cases = [
        (changed(x, "vitals", (row, 0, column), 1e4), "charting error"),
        (changed(x, "vitals", (row, 0, column), float("nan")), "charting error"),
        (changed(x, "context", (0, 0), 300.0), "age: expected values within"),
        (changed(x, "context", (0, 2), 0.5), "expected 0 or 1"),
        (changed(x, "dose", (0, 0, 0), 1.9), "pressor: expected doses within"),
        (changed(x, "dose", (0, 0, 0), -0.1), "pressor: expected doses within"),
        (changed(x, "hours", (0, 0), 5.0), "stay 0, decision 0: expected 4 hours"),
        (changed(x, "site", (0,), 3), "site 0"),
        (changed(x, "subject", (0,), 8), "sorted by subject"),
        (changed(x, "dose", (late, written_task.horizon - 1, 0), 0.2), "canonical padding"),
        (x.replace(spec=small_task.spec), "spec is not that of the task"),
    ]
    unseen, feature = (~x.seen[:, 0]).nonzero()[0].tolist()
    cases.append((changed(x, "age", (unseen, 0, feature), 2.0), "more than one interval"))
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            write_meds(wrong, tmp_path / "cohort", written_task)
    with pytest.raises(ValueError, match="cannot be written"):
        write_meds(x.replace(spec=small_task.spec), tmp_path / "cohort", small_task)
    assert not list(tmp_path.iterdir())
