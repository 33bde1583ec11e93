"""Events of a MEDS dataset, streamed: only the rows whose code a task wants are ever kept.

MEDS (Medical Event Data Standard) 0.4: one parquet file or a folder of shards with the columns subject_id (int64),
time (timestamp, null for static facts), code (string) and numeric_value (float32). A subject lies in one shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .codes import CodeBook

STATIC = np.iinfo(np.int64).min  # the time of a fact without one: before everything
SECOND = 1_000_000  # microseconds
HOUR = 3600 * SECOND
_READ_ROWS = 1 << 21  # rows decoded at once
_KEEP_ROWS = 1 << 22  # wanted rows held before complete subjects are handed on


class MedsError(ValueError):
    """A dataset that cannot be read."""


@dataclass(frozen=True)
class Events:
    """Wanted events, sorted by subject and time (E,); all events of each subject in it are there."""

    subject: NDArray[np.int64]
    time: NDArray[np.int64]  # microseconds since 1970; STATIC without a time
    code: NDArray[np.int32]  # number in the code book
    value: NDArray[np.float64]  # NaN without a number

    def __len__(self) -> int:
        return len(self.subject)

    def rows(self, index: NDArray[Any] | slice) -> Events:
        """These events only; `index` is bool, int or a slice."""
        return Events(self.subject[index], self.time[index], self.code[index], self.value[index])


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


def stream(path: str | Path, book: CodeBook, warn: Callable[[str], None]) -> Iterator[tuple[float, Events]]:
    """(share of the dataset read, events of whole subjects), shard by shard, in bounded memory.

    MedsError where a subject lies in two shards, or a column is missing or of the wrong type.
    """
    files = shards(path)
    done = np.empty(0, np.int64)
    aliased = False
    for position, file in enumerate(files):
        source = pq.ParquetFile(file)
        column = _number_column(source, file)
        if column == "value" and not aliased:
            warn(f"{file.name} has no column numeric_value: its column `value` is read instead")
            aliased = True
        for share, events, subjects in _whole_subjects(source, column, book, file):
            again = np.intersect1d(done, subjects, assume_unique=True)
            if len(again):
                raise MedsError(
                    f"{file}: subject {again[0]} came before, in another shard or apart from its other rows; MEDS "
                    "keeps a subject together in one shard: sort the dataset by subject_id and time, and shard it anew"
                )
            done = np.concatenate((done, subjects))
            yield (position + share) / len(files), events


def _whole_subjects(
    source: pq.ParquetFile, column: str, book: CodeBook, file: Path
) -> Iterator[tuple[float, Events, NDArray[np.int64]]]:
    """Share read, events and subjects; the subject that a read ends in waits for the next one."""
    held: list[Events] = []
    subjects: list[NDArray[np.int64]] = []
    rising, last = True, np.iinfo(np.int64).min
    for groups, share in _group_batches(source):
        events, all_subjects = _decode(source, groups, column, book, file)
        rising &= bool((np.diff(all_subjects) >= 0).all()) and (not len(all_subjects) or all_subjects[0] >= last)
        last = all_subjects[-1] if len(all_subjects) else last
        held.append(events)
        subjects.append(np.unique(all_subjects))
        if rising and sum(map(len, held)) > _KEEP_ROWS:
            kept, known = _sorted(held), np.unique(np.concatenate(subjects))
            complete = int(np.searchsorted(kept.subject, last))
            yield share, kept.rows(slice(0, complete)), known[known < last]
            held, subjects = [kept.rows(slice(complete, None))], [known[known >= last]]
    yield 1.0, _sorted(held), np.unique(np.concatenate(subjects)) if subjects else np.empty(0, np.int64)


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


def _number_column(source: pq.ParquetFile, file: Path) -> str:
    names = set(source.schema_arrow.names)
    missing = {"subject_id", "time", "code"} - names
    if missing or not names & {"numeric_value", "value"}:
        missing |= set() if names & {"numeric_value", "value"} else {"numeric_value"}
        raise MedsError(f"{file}: expected the MEDS column {min(missing)!r}, got {', '.join(sorted(names))}")
    if not pa.types.is_timestamp(source.schema_arrow.field("time").type):
        raise MedsError(f"{file}: expected time as timestamp[us], got {source.schema_arrow.field('time').type}")
    return "numeric_value" if "numeric_value" in names else "value"


def _decode(
    source: pq.ParquetFile, groups: list[int], column: str, book: CodeBook, file: Path
) -> tuple[Events, NDArray[np.int64]]:
    """Wanted events of some row groups, and the subject of every row."""
    table = source.read_row_groups(groups, columns=["subject_id", "time", "code", column], use_threads=False)
    if table["subject_id"].null_count:
        raise MedsError(f"{file}: {table['subject_id'].null_count} rows have no subject_id; remove or repair them")
    subject = table["subject_id"].cast(pa.int64()).to_numpy()
    code = table["code"].combine_chunks() if pa.types.is_dictionary(table["code"].type) else table["code"]
    encoded = code if isinstance(code, pa.DictionaryArray) else code.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    numbers = np.append(book.number(encoded.dictionary.to_pylist()), np.int32(-1))
    number = numbers[encoded.indices.fill_null(len(numbers) - 1).to_numpy(zero_copy_only=False)]
    wanted = np.flatnonzero(number >= 0)
    picked = table.select(["time", column]).take(pa.array(wanted))
    time = picked["time"].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).fill_null(STATIC).to_numpy()
    value = picked[column].cast(pa.float64()).fill_null(np.nan).to_numpy()
    return Events(subject[wanted], time, number[wanted], value), subject


def _sorted(parts: list[Events]) -> Events:
    columns = [[getattr(p, name) for p in parts] for name in ("subject", "time", "code", "value")]
    subject, time, code, value = (np.concatenate(c) if c else np.empty(0, np.int64) for c in columns)
    events = Events(subject, time, code.astype(np.int32), value.astype(np.float64))
    same = subject[1:] == subject[:-1]
    if ((subject[1:] > subject[:-1]) | (same & (time[1:] >= time[:-1]))).all():
        return events
    return events.rows(np.lexsort((time, subject)))
