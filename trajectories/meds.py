"""Events of a MEDS dataset, streamed: only the rows whose code a task wants are ever kept.

MEDS (Medical Event Data Standard) 0.4: one parquet file or a folder of shards with the columns subject_id (int64),
time (timestamp, null for static facts), code (string) and numeric_value (float32). A subject lies in one shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .codes import CodeBook
from .events import HOUR, SECOND, STATIC, Events, MedsError, in_order
from .meds_columns import Columns, check_columns, decode, open_parquet

__all__ = ["HOUR", "SECOND", "STATIC", "Events", "MedsError", "shards", "stream"]

_READ_ROWS = 1 << 21  # rows decoded at once
_KEEP_ROWS = 1 << 22  # wanted rows held before complete subjects are handed on


def shards(path: str | Path) -> list[Path]:
    """Parquet files of a dataset: the file itself, or those under its `data` folder (else under it), by name."""
    path = Path(path)
    if path.is_file():
        return [path]
    root = path / "data" if (path / "data").is_dir() else path
    aside = {"metadata", "labels"}
    found = [f for f in sorted(root.rglob("*.parquet")) if not aside & set(f.relative_to(root).parts[:-1])]
    if not found:
        raise MedsError(f"no MEDS data at {path}: expected a parquet file, or a folder with data/**/*.parquet")
    return found


def stream(
    path: str | Path, book: CodeBook, warn: Callable[[str], None], site: str | None = None
) -> Iterator[tuple[float, Events]]:
    """(share of the dataset read, events of whole subjects), shard by shard, in bounded memory.

    `site` names an extra column that says where an event was recorded. MedsError, naming the file and the column, where
    a subject lies in two shards, a column is missing or of the wrong type, or a file is damaged.
    """
    files = shards(path)
    done = np.empty(0, np.int64)
    faults: Counter[str] = Counter()
    aliased = False
    for position, file in enumerate(files):
        source = open_parquet(file)
        columns = check_columns(source, file, site)
        if columns.value == "value" and not aliased:
            warn(f"{file.name} has no column numeric_value: its column `value` is read instead")
            aliased = True
        for share, events, subjects in _whole_subjects(source, columns, book, faults):
            again = np.intersect1d(done, subjects, assume_unique=True)
            if len(again):
                raise MedsError(
                    f"{file}: subject {again[0]} came before, in another shard or apart from its other rows; MEDS "
                    "keeps a subject together in one shard: sort the dataset by subject_id and time, and shard it anew"
                )
            done = np.concatenate((done, subjects))
            yield (position + share) / len(files), events
    for fault, rows in sorted(faults.items()):
        warn(f"{fault} in {rows:,} rows")


def _whole_subjects(
    source: pq.ParquetFile, columns: Columns, book: CodeBook, faults: Counter[str]
) -> Iterator[tuple[float, Events, NDArray[np.int64]]]:
    """Share read, events and subjects; the subject that a read ends in waits for the next one."""
    held: list[Events] = []
    subjects: list[NDArray[np.int64]] = []
    rising, last = True, np.iinfo(np.int64).min
    for groups, share in _group_batches(source):
        events, all_subjects = decode(source, groups, columns, book, faults)
        rising &= bool((np.diff(all_subjects) >= 0).all()) and (not len(all_subjects) or all_subjects[0] >= last)
        last = all_subjects[-1] if len(all_subjects) else last
        held.append(events)
        subjects.append(np.unique(all_subjects))
        if rising and sum(map(len, held)) > _KEEP_ROWS:
            kept, known = in_order(held), np.unique(np.concatenate(subjects))
            complete = int(np.searchsorted(kept.subject, last))
            yield share, kept.rows(slice(0, complete)), known[known < last]
            held, subjects = [kept.rows(slice(complete, None))], [known[known >= last]]
    yield 1.0, in_order(held), np.unique(np.concatenate(subjects)) if subjects else np.empty(0, np.int64)


def _group_batches(source: pq.ParquetFile) -> Iterator[tuple[list[int], float]]:
    """Row groups to decode together, so that many small ones cost little, and the share of rows then read."""
    batch: list[int] = []
    rows = read = 0
    for group in range(source.num_row_groups):
        batch.append(group)
        rows += source.metadata.row_group(group).num_rows
        if rows >= _READ_ROWS or group == source.num_row_groups - 1:
            read += rows
            yield batch, read / max(source.metadata.num_rows, 1)
            batch, rows = [], 0
