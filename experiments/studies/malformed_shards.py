"""Malformed parquet files and folders of shards, made by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ...trajectories.records import Records, read_trajectories
from .malformed_base import Case, put, table, task, unchanged

_WHOLE = ("1.parquet", "not a whole parquet file", "export it again")


def cases() -> list[Case]:
    """All of them."""
    return [*_damaged_files(), *_folders()]


def _damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], Records]:
    def run(folder: Path) -> Records:
        path = put(table(), folder / "data" / "1.parquet")
        path.write_bytes(change(path.read_bytes()))
        return read_trajectories(folder, task())

    return run


def _damaged_files() -> list[Case]:
    def middle(data: bytes) -> bytes:
        return data[:200] + bytes(255 - b for b in data[200:320]) + data[320:]

    made = [
        ("a file cut to half", _damaged(lambda b: b[: len(b) // 2]), _WHOLE),
        ("a file cut by one byte", _damaged(lambda b: b[:-1]), _WHOLE),
        ("a file of no bytes", _damaged(lambda b: b""), _WHOLE),
        ("text under the name of parquet", _damaged(lambda b: b"subject_id,time,code\n1,2,3\n"), _WHOLE),
        ("damage inside a row group", _damaged(middle), ("1.parquet", "row group 0", "column", "cannot be read")),
    ]
    return [Case("MEDS", name, run, message) for name, run, message in made]


def _shards(*parts: Callable[[pa.Table], pa.Table]) -> Callable[[Path], Records]:
    def run(folder: Path) -> Records:
        for i, part in enumerate(parts):
            put(part(table()), folder / "data" / f"{i}.parquet")
        return read_trajectories(folder, task())

    return run


def _named(name: bytes) -> Callable[[Path], Records]:
    """The sound dataset in a file of this name."""

    def run(folder: Path) -> Records:
        path = put(table(), folder / "events.parquet")
        return read_trajectories(path.rename(os.fsdecode(os.fsencode(folder) + b"/" + name)), task())

    return run


def _folders() -> list[Case]:
    def folder_as_file(folder: Path) -> Records:
        (folder / "data" / "x.parquet").mkdir(parents=True)
        return read_trajectories(folder, task())

    def half(t: pa.Table) -> pa.Table:
        return t.filter(pc.less(t["subject_id"], 7))

    def rest(t: pa.Table) -> pa.Table:
        return t.filter(pc.greater_equal(t["subject_id"], 7))

    def empty(t: pa.Table) -> pa.Table:
        return t.slice(0, 0)

    made = [
        ("a folder named x.parquet", folder_as_file, ("x.parquet", "not a whole parquet file")),
        ("no such path", lambda f: read_trajectories(f / "nowhere", task()), ("no MEDS data at", "nowhere")),
        ("a folder without parquet", lambda f: read_trajectories(f, task()), ("no MEDS data at", "expected a parquet")),
        ("only empty shards", _shards(empty, empty), ("no stay fits", "stays: 0")),
        (
            "a patient in two shards",
            _shards(lambda t: t, half),
            ("1.parquet", "subject 1 came before", "shard it anew"),
        ),
    ]
    return [
        *(Case("MEDS", name, run, message) for name, run, message in made),
        Case("MEDS", "an empty shard among others", _shards(half, empty, rest), (), unchanged),
        Case("MEDS", "a file name beyond ASCII", _named("Ärzte, α β.parquet".encode()), (), unchanged),
        Case("MEDS", "a file name that is not UTF-8", _named(b"\xff\xfe.parquet"), (), unchanged),
    ]
