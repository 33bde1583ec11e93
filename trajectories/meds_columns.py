"""The columns of a MEDS file: whether they are what MEDS says, and their rows as numbers.

Whatever is wrong with a file ends in one sentence with the file, the row group, the column and a remedy.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .codes import CodeBook
from .events import STATIC, Events, MedsError

_FARTHEST = 1 << 60  # microseconds from 1970: later times, in the year 38,000, are errors
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class Columns:
    """Where the columns of a file are."""

    file: str  # its name, as it can be shown
    value: str  # numeric_value, or its alias
    site: str | None

    @property
    def names(self) -> list[str]:
        return ["subject_id", "time", "code", self.value, *([self.site] if self.site else [])]


def open_parquet(file: Path) -> pq.ParquetFile:
    """The file, its footer read; MedsError where it is no whole parquet file."""
    try:
        plain = _shown(file) == str(file)  # else the name cannot be handed on, and the bytes are
        return pq.ParquetFile(file if plain else pa.BufferReader(file.read_bytes()))
    except _DAMAGE as error:
        said = f"not a whole parquet file ({_first_line(error)}); it may be cut short: copy or export it again"
        raise MedsError(f"{_shown(file)}: {said}") from None


def check_columns(source: pq.ParquetFile, path: Path, site: str | None) -> Columns:
    """The columns to read; MedsError where one is missing, is there twice, or is of another type."""
    schema = source.schema_arrow
    value = "numeric_value" if "numeric_value" in schema.names else "value"
    columns = Columns(_shown(path), value, site)
    file = columns.file
    for name in columns.names:
        if schema.names.count(name) > 1:
            raise MedsError(f"{file}: column {name!r} is there {schema.names.count(name)} times; keep one")
        if name not in schema.names:
            wanted = "numeric_value" if name == "value" else name
            kind = "site" if name == site else "MEDS"
            raise MedsError(f"{file}: expected the {kind} column {wanted!r}, got {', '.join(sorted(schema.names))}")
    _check_type(file, schema, "subject_id", "a whole number (int64)", pa.types.is_integer)
    _check_type(file, schema, "time", "timestamp[us]", pa.types.is_timestamp)
    _check_type(file, schema, "code", "text (string)", _is_text)
    _check_type(file, schema, value, "a number (float32)", lambda t: pa.types.is_floating(t) or pa.types.is_integer(t))
    if site is not None:
        _check_type(file, schema, site, "text or a whole number", lambda t: _is_text(t) or pa.types.is_integer(t))
    return columns


def decode(
    source: pq.ParquetFile, groups: list[int], columns: Columns, book: CodeBook, faults: Counter[str]
) -> tuple[Events, NDArray[np.int64]]:
    """Wanted events of some row groups, and the subject of every row; `faults` counts rows that lack something."""
    try:
        return _decode(source.read_row_groups(groups, columns=columns.names, use_threads=False), columns, book, faults)
    except _DAMAGE as error:
        if len(groups) > 1:  # one of them is at fault: find out which
            for group in groups:
                decode(source, [group], columns, book, Counter())
        raise MedsError(
            f"{columns.file}, row group {groups[0]}: {_column_at_fault(source, groups[0], columns)} cannot be read "
            f"({_first_line(error)}); repair or export the file again"
        ) from None
    except MedsError as error:
        if len(groups) > 1:
            for group in groups:
                decode(source, [group], columns, book, Counter())
        raise MedsError(f"{columns.file}, row group {groups[0]}: {error}") from None


def _decode(
    table: pa.Table, columns: Columns, book: CodeBook, faults: Counter[str]
) -> tuple[Events, NDArray[np.int64]]:
    if table["subject_id"].null_count:
        raise MedsError(f"{table['subject_id'].null_count} rows have no subject_id; remove or repair them")
    subject = table["subject_id"].cast(pa.int64()).to_numpy()
    if table["code"].null_count:
        faults["no code, and were left out,"] += table["code"].null_count
    number = _code_numbers(table["code"], book)
    wanted = np.flatnonzero(number >= 0)
    picked = table.select([n for n in columns.names if n not in ("subject_id", "code")]).take(pa.array(wanted))
    value = picked[columns.value].cast(pa.float64()).fill_null(np.nan).to_numpy()
    endless = np.isinf(value)
    if endless.any():
        faults["an infinite number, read as none,"] += int(endless.sum())
        value = np.where(endless, np.nan, value)
    site = np.zeros(len(wanted), np.int64) if columns.site is None else site_numbers(picked[columns.site])
    return Events(subject[wanted], _times(picked["time"]), number[wanted], value, site), subject


def _code_numbers(column: pa.ChunkedArray, book: CodeBook) -> NDArray[np.int32]:
    code = column.combine_chunks() if pa.types.is_dictionary(column.type) else column
    encoded = code if isinstance(code, pa.DictionaryArray) else code.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    numbers = np.append(book.number(encoded.dictionary.to_pylist()), np.int32(-1))
    return _by_index(numbers, encoded)


def _by_index(numbers: NDArray[Any], encoded: pa.DictionaryArray) -> NDArray[Any]:
    """The number of each row's entry in the dictionary; the last number where the row is null."""
    found: NDArray[Any] = numbers[encoded.indices.fill_null(len(numbers) - 1).to_numpy(zero_copy_only=False)]
    return found


def _times(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Microseconds since 1970; STATIC where there is no time."""
    exact = column.type.unit in ("s", "ms")  # finer ones are cut to microseconds
    time: NDArray[np.int64] = column.cast(pa.timestamp("us"), safe=exact).cast(pa.int64()).fill_null(STATIC).to_numpy()
    wild = (np.abs(time) > _FARTHEST) & (time != STATIC)
    if wild.any():
        raise MedsError(f"column 'time' holds {int(wild.sum())} dates beyond the year 38,000; remove or repair them")
    return time


def site_numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers (E,) of sites: whole numbers as they are, other text by its checksum; -1 where null."""
    if pa.types.is_integer(column.type):
        whole: NDArray[np.int64] = column.cast(pa.int64()).fill_null(-1).to_numpy()
        return whole
    text = column.cast(pa.string()).dictionary_encode().combine_chunks()
    encoded = text.unify_dictionaries().combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    numbers = np.array([*map(site_number, encoded.dictionary.to_pylist()), -1], np.int64)
    return _by_index(numbers, encoded)


def site_number(name: str) -> int:
    """The number of a site: a whole number as it is, other text by its checksum."""
    return int(name) if name.isascii() and name.isdigit() and len(name) < 18 else zlib.crc32(name.encode())


def _check_type(file: str, schema: pa.Schema, name: str, expected: str, fits) -> None:  # type: ignore[no-untyped-def]
    found = schema.field(name).type
    empty = pa.types.is_null(found) and name not in ("subject_id", "code", "time")
    if not fits(found) and not empty:
        wrong = f"expected {name} as {expected}, got {found}"
        raise MedsError(f"{file}, every row group: column {name!r}: {wrong}; cast it and write it again")


def _shown(file: Path) -> str:
    """The file's name, in which bytes that are no text are spelt out."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _column_at_fault(source: pq.ParquetFile, group: int, columns: Columns) -> str:
    """Which column of a row group cannot be read."""
    for name in columns.names:
        try:
            column = source.read_row_group(group, columns=[name], use_threads=False)[name]
            if name == "time":
                _times(column)
            elif name in ("subject_id", columns.value):
                column.cast(pa.int64() if name == "subject_id" else pa.float64())
            else:
                column.to_pylist()
        except (*_DAMAGE, ValueError, OverflowError):
            return f"column {name!r}"
    return "a column"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
