"""From tables and MEDS to stays and a cache, with everything left out counted."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from posology.trajectories.images import (
    ImageError,
    ImageIndex,
    Preparation,
    cache_images,
    images_of_meds,
    images_of_table,
    link_images,
)
from posology.trajectories.meds import MedsError

HOUR = 3_600_000_000
PREPARATION = Preparation((1, 1, 1), (1, 4, 4), center=50, width=100, file_spacing=(1, 1, 1))


def index(*rows: tuple[int, float, str]) -> ImageIndex:
    return ImageIndex(
        np.array([r[0] for r in rows], np.int64),
        np.array([round(r[1] * HOUR) for r in rows], np.int64),
        tuple(Path(r[2]) for r in rows),
    )


def test_links_by_subject_and_time() -> None:
    pictures = index((1, 5, "a"), (1, -20, "b"), (1, 40, "c"), (9, 5, "d"), (1, 5, "a"), (2, 5, "e"), (1, 130, "f"))
    subject = np.array([1, 2, 1])
    start, end = np.array([0, 0, 120]) * HOUR, np.array([30, 30, 150]) * HOUR
    found = link_images(pictures, subject, start, end)
    assert found.stay.tolist() == [0, 0, -1, -1, -1, 1, 2]
    assert found.counts == {"linked": 4, "out of every stay": 1, "no such patient": 1, "duplicate": 1}
    assert link_images(pictures, subject, start, end, before_hours=0, after_hours=12).stay[:3].tolist() == [0, -1, 0]


def test_left_out_pictures_are_listed_without_telling_whose_they_are() -> None:
    pictures = index((123456, 5, "secret_name.dcm"))
    none = np.zeros(0, np.int64)
    listed = link_images(pictures, none, none, none).left_out(pictures)
    assert list(listed) == ["no such patient"]
    assert "123456" not in str(listed) and "secret" not in str(listed)


def test_of_two_overlapping_stays_the_latest_begun_is_taken() -> None:
    start, end = np.array([0, 10]) * HOUR, np.array([30, 30]) * HOUR
    found = link_images(index((1, 5, "a"), (1, 12, "b")), np.array([1, 1]), start, end)
    assert found.stay.tolist() == [0, 1]


def test_index_of_a_table_and_of_meds_agree(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("subject_id,time,path\n7,2100-01-01 00:00:00,x.npy\n8,2100-01-02 12:30:00,y.npy\n")
    table = images_of_table(tmp_path / "a.csv")
    assert table.subject.tolist() == [7, 8] and table.path[1] == tmp_path / "y.npy"
    (tmp_path / "data").mkdir()
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "dataset.json").write_text(json.dumps({"additional_value_modality_columns": ["image"]}))
    events = {
        "subject_id": pa.array([7, 7, 8], pa.int64()),
        "time": pa.array([int(table.time[0]), 5, int(table.time[1])]).cast(pa.timestamp("us")),
        "code": ["CT", "LAB", "CT"],
        "numeric_value": pa.array([None, 1.0, None], pa.float32()),
        "image": ["x.npy", None, "y.npy"],
    }
    pq.write_table(pa.table(events), tmp_path / "data" / "0.parquet")
    meds = images_of_meds(tmp_path)
    assert meds.subject.tolist() == [7, 8]
    assert meds.time.tolist() == table.time.tolist() and meds.path == table.path
    with pytest.raises(MedsError, match="no column 'scan'"):
        images_of_meds(tmp_path, "scan")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("subject_id,time\n1,2100-01-01 00:00:00\n", "no column 'path'"),
        ("subject_id,time,path\n1,,x\n", "row 1: time is empty"),
        ("subject_id,time,path\nbob,2100-01-01 00:00:00,x\n", "whole subject numbers"),
        ("", "not a readable table"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ImageError, match=message):
        images_of_table(tmp_path / "a.csv")


def test_meds_without_a_declared_column_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(MedsError, match="declares 0 modality columns"):
        images_of_meds(tmp_path)


def test_the_cache_holds_what_was_readable_and_lists_the_rest(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 4), 75.0))
    (tmp_path / "private_name.npy").write_bytes(b"")
    np.save(tmp_path / "c.npy", np.full((6, 6), 25.0))
    pictures = index(*[(n, 0, str(tmp_path / name)) for n, name in enumerate(("a.npy", "private_name.npy", "c.npy"))])
    cache = cache_images(pictures, [0, 1, 2], tmp_path / "cache", PREPARATION)
    assert len(cache) == 2
    np.testing.assert_allclose(cache.batch([2, 0])[:, 0, 0, 0], [0.25, 0.75], atol=1e-4)
    assert list(cache.unreadable) == [pictures.hashed(1)]
    assert "empty file" in cache.unreadable[pictures.hashed(1)]
    assert "private_name" not in (tmp_path / "cache" / "cache.json").read_text()
    with pytest.raises(KeyError):
        cache.batch([1])
    (tmp_path / "a.npy").unlink()  # a finished cache is read, not made again
    again = cache_images(pictures, [0, 1, 2], tmp_path / "cache", PREPARATION)
    assert again.row == cache.row and again.unreadable == cache.unreadable
    with pytest.raises(FileExistsError, match="holds something else"):
        cache_images(pictures, [0, 2], tmp_path / "cache", PREPARATION)


def test_an_interrupted_cache_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: float, message: str) -> None:
        raise KeyboardInterrupt

    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    with pytest.raises(KeyboardInterrupt):
        cache_images(index((1, 0, str(tmp_path / "a.npy"))), [0], tmp_path / "cache", PREPARATION, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


def test_ten_thousand_pictures_are_not_held_in_memory(tmp_path: Path) -> None:
    """The array is mapped: a batch reads its own pages only."""
    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    pictures = index(*[(n, 0, str(tmp_path / "a.npy")) for n in range(200)])
    cache = cache_images(pictures, list(range(200)), tmp_path / "cache", PREPARATION)
    assert isinstance(cache.pixels, np.memmap)
    assert cache.batch([199]).shape == (1, 1, 4, 4)
