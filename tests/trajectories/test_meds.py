"""Finding and streaming a MEDS dataset; unreadable ones are refused with a remedy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from posology.trajectories.codes import CodeBook
from posology.trajectories.meds import STATIC, MedsError, shards, stream


def everything(path, patterns=("A*",)) -> tuple[list, CodeBook, list[str]]:
    book, warnings = CodeBook(patterns), []
    return [events for _, events in stream(path, book, warnings.append)], book, warnings


def test_shards_leave_metadata_and_labels_aside(write_events, tmp_path) -> None:
    for name in ("data/train/1.parquet", "data/train/0.parquet", "metadata/codes.parquet", "labels/a.parquet"):
        write_events(tmp_path / name, [])
    assert [f.name for f in shards(tmp_path)] == ["0.parquet", "1.parquet"]
    write_events(tmp_path / "flat" / "x.parquet", [])
    write_events(tmp_path / "flat" / "metadata" / "codes.parquet", [])
    assert [f.name for f in shards(tmp_path / "flat")] == ["x.parquet"]
    with pytest.raises(MedsError, match="no MEDS data at .*nowhere"):
        shards(tmp_path / "nowhere")


def test_only_wanted_codes_are_kept_in_order_of_subject_and_time(write_events, tmp_path) -> None:
    path = write_events(
        tmp_path / "e.parquet", [(2, 5, "A1", 1.0), (1, 9, "B", 2.0), (1, 7, "A2", None), (1, None, "A1", 3.0)]
    )
    (events,), book, warnings = everything(path)
    assert events.subject.tolist() == [1, 1, 2] and events.time.tolist() == [STATIC, 7, 5]
    assert [book.codes[c] for c in events.code] == ["A1", "A2", "A1"] and not warnings
    np.testing.assert_array_equal(events.value, [3, np.nan, 1])


def test_other_encodings_of_the_columns_read_the_same(write_events, tmp_path) -> None:
    events = [(1, 7, "A2", 2.5), (1, 8, "B", 1.0), (2, 3_000_000, "A1", None)]
    plain = pq.read_table(write_events(tmp_path / "plain.parquet", events))
    other = pa.table(
        {
            "subject_id": plain["subject_id"].cast(pa.int32()),
            "time": plain["time"].cast(pa.timestamp("ns")),
            "code": plain["code"].dictionary_encode(),
            "numeric_value": plain["numeric_value"].cast(pa.float64()),
            "text_value": pa.nulls(3, pa.string()),
        }
    )
    pq.write_table(other, tmp_path / "other.parquet")
    (a,), _, _ = everything(tmp_path / "plain.parquet")
    (b,), _, _ = everything(tmp_path / "other.parquet")
    for name in ("subject", "time", "code", "value"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_subject_in_two_shards_is_refused(write_events, tmp_path) -> None:
    write_events(tmp_path / "data" / "0.parquet", [(1, 0, "A", 1.0), (2, 0, "B", 1.0)])
    write_events(tmp_path / "data" / "1.parquet", [(2, 0, "A", 1.0)])
    with pytest.raises(MedsError, match=r"1.parquet: subject 2 came before.*shard it anew"):
        everything(tmp_path)


def test_a_subject_apart_from_its_other_rows_is_never_split(write_events, tmp_path, monkeypatch) -> None:
    """Either the shard is small enough to be sorted whole, or the reader says that it must be sorted."""
    rows = [(s, i, "A", float(i)) for s in (1, 2, 3) for i in range(20)] + [(1, 99, "A", 99.0)]
    path = write_events(tmp_path / "e.parquet", rows, rows=10)
    (events,), _, _ = everything(path)
    assert events.time[events.subject == 1].tolist() == [*range(20), 99]
    monkeypatch.setattr("posology.trajectories.meds._READ_ROWS", 10)
    monkeypatch.setattr("posology.trajectories.meds._KEEP_ROWS", 25)
    with pytest.raises(MedsError, match="subject 1 came before"):
        everything(path)


def test_streaming_hands_on_whole_subjects(write_events, tmp_path, monkeypatch) -> None:
    rows = [(s, i, "A", float(i)) for s in range(30) for i in range(10)]
    path = write_events(tmp_path / "e.parquet", rows, rows=7)
    monkeypatch.setattr("posology.trajectories.meds._READ_ROWS", 7)
    monkeypatch.setattr("posology.trajectories.meds._KEEP_ROWS", 40)
    parts, _, _ = everything(path)
    assert len(parts) > 5 and max(map(len, parts)) < 80
    assert np.concatenate([p.subject for p in parts]).tolist() == [r[0] for r in rows]
    assert all(len(p) % 10 == 0 for p in parts)


@pytest.mark.parametrize(
    ("drop", "message"),
    [("code", "expected the MEDS column 'code'"), ("numeric_value", "expected the MEDS column 'numeric_value'")],
)
def test_a_missing_column_is_named(write_events, tmp_path, drop, message) -> None:
    table = pq.read_table(write_events(tmp_path / "e.parquet", [(1, 0, "A", 1.0)]))
    pq.write_table(table.drop_columns([drop]), tmp_path / "e.parquet")
    with pytest.raises(MedsError, match=message):
        everything(tmp_path / "e.parquet")


def test_text_times_and_missing_subjects_are_refused(write_events, tmp_path) -> None:
    table = pq.read_table(write_events(tmp_path / "e.parquet", [(1, 0, "A", 1.0), (None, 0, "A", 1.0)]))
    with pytest.raises(MedsError, match="1 rows have no subject_id"):
        everything(tmp_path / "e.parquet")
    text = table.set_column(1, "time", pa.array(["2100-01-01", "2100-01-02"]))
    pq.write_table(text, tmp_path / "e.parquet")
    with pytest.raises(MedsError, match="expected time as timestamp"):
        everything(tmp_path / "e.parquet")
