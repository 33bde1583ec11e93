"""The ingest study on datasets small enough for a test."""

from __future__ import annotations

import numpy as np
import pytest
from posology.experiments.studies import ingest
from posology.experiments.studies.ingest_data import write_dataset
from posology.trajectories.meds import shards
from posology.trajectories.task_file import load_task


def test_the_reader_agrees_with_plain_pandas(tmp_path, monkeypatch) -> None:
    path = write_dataset(tmp_path / "set", load_task(ingest.SYNTHETIC), events=15_000, shards=2, seed=3)
    assert len(shards(path)) == 2 and ingest.agree(path) > 3000
    plain = ingest.read_with_pandas

    def wrong(path, task):
        values, doses = plain(path, task)
        return values, doses + 0.01

    monkeypatch.setattr(ingest, "read_with_pandas", wrong)
    with pytest.raises(AssertionError):
        ingest.agree(path)


def test_a_measurement_says_what_was_read(tmp_path) -> None:
    path = write_dataset(tmp_path / "set", load_task(ingest.SYNTHETIC), events=6000, shards=3)
    for reader in ("posology", "pandas"):
        found = ingest.measure(path, ingest.SYNTHETIC, reader)
        assert (found["shards"], found["stays"]) == (3, 12) and found["rows"] == pytest.approx(6000, rel=0.01)
        assert found["cpu"] > 0 and found["peak_mb"] >= found["start_mb"] > 50


def test_the_page_has_a_line_for_each_reader_and_the_ratio() -> None:
    run = {"rows": 10**6, "shards": 4, "stays": 9, "wall": 3.0, "peak_mb": 500.0, "start_mb": 400.0}
    found = {"synthetic": {"posology": [run | {"cpu": 1.0}], "pandas": [run | {"cpu": c} for c in (1.0, 2.5, 9.0)]}}
    page = ingest.text(found, shared=77, rounds=3)
    assert "| synthetic | posology | 1,000,000 | 4 | 9 | 1.00 | 3.00 | 1.00 | 2.50 | 500 | 400 |" in page
    assert (
        "| synthetic | pandas | 1,000,000 | 4 | 9 | 2.50 | 3.00 | 0.40 |  | 500 | 400 |" in page and "77 values" in page
    )


def test_a_stopped_study_goes_on(tmp_path, monkeypatch) -> None:
    read: list[str] = []

    def pretend(path, task, reader):
        read.append(reader)
        if len(read) == 4:
            raise KeyboardInterrupt
        return {"rows": 9, "shards": 1, "stays": 1, "wall": 1.0, "cpu": 1.0, "peak_mb": 1.0, "start_mb": 1.0}

    monkeypatch.setattr(ingest, "_alone", pretend)
    monkeypatch.setattr(ingest, "agree", lambda path: 5)
    monkeypatch.delenv("POSOLOGY_DATA", raising=False)
    page = tmp_path / "ingest.md"
    with pytest.raises(KeyboardInterrupt):
        ingest.main(page, events=2000, parts=4, rounds=1)
    assert not page.exists()
    ingest.main(page, events=2000, parts=4, rounds=1)
    assert len(read) == 7 and page.read_text().count("| synthetic, ") == 6


def test_a_dataset_depends_on_its_seed_alone(tmp_path) -> None:
    import pyarrow.parquet as pq

    task = load_task(ingest.SYNTHETIC)
    one, two, three = (
        pq.read_table(shards(write_dataset(tmp_path / name, task, events=3000, shards=1, seed=seed))[0])
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.equals(two) and not one.equals(three)
    assert bool((np.diff(one["subject_id"].to_numpy()) >= 0).all())
