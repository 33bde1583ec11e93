"""Which pictures there are: whose, when taken, and in which file; from MEDS events or from a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..meds import MedsError, shards
from .volume import ImageError


@dataclass(frozen=True)
class ImageIndex:
    """P pictures; `time` of acquisition in microseconds since 1970."""

    subject: NDArray[np.int64]  # (P,)
    time: NDArray[np.int64]  # (P,)
    path: tuple[Path, ...]  # of a file, or of a folder that holds a DICOM series

    def __len__(self) -> int:
        return len(self.subject)

    def hashed(self, position: int) -> str:
        """A name for a picture that tells neither whose it is nor where it lies."""
        said = f"{self.subject[position]}|{self.time[position]}|{self.path[position].name}"
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def images_of_meds(dataset: str | Path, column: str | None = None) -> ImageIndex:
    """Pictures that the events of a MEDS dataset point to, by a column of paths relative to its folder.

    Without `column`, the one that `metadata/dataset.json` declares under `additional_value_modality_columns` is taken.
    MedsError where none or several are declared, or a shard lacks the column.
    """
    root = Path(dataset)
    column = column or _declared(root)
    tables = []
    for shard in shards(root):
        held = pq.read_schema(shard).names
        missing = [name for name in ("subject_id", "time", column) if name not in held]
        if missing:
            raise MedsError(f"{shard}: no column {missing[0]!r}; it has {', '.join(held)}")
        table = pq.read_table(shard, columns=["subject_id", "time", column])
        tables.append(table.filter(pc.and_(pc.is_valid(table[column]), pc.is_valid(table["time"]))))
    base = root if root.is_dir() else root.parent
    return _index(pa.concat_tables(tables).rename_columns(["subject_id", "time", "path"]), base, root)


def images_of_table(file: str | Path) -> ImageIndex:
    """Pictures of a CSV or parquet table with the columns subject_id, time and path (relative to the table).

    ImageError names a missing column, or the first row with an empty or unreadable value.
    """
    file = Path(file)
    try:
        table = pq.read_table(file) if file.suffix == ".parquet" else pyarrow.csv.read_csv(file)
    except (pa.ArrowException, OSError) as error:
        raise ImageError(f"{file}: not a readable table: {str(error).splitlines()[0]}") from None
    missing = [name for name in ("subject_id", "time", "path") if name not in table.column_names]
    if missing:
        raise ImageError(f"{file}: no column {missing[0]!r}; expected subject_id, time and path")
    return _index(table.select(["subject_id", "time", "path"]), file.parent, file)


def _index(table: pa.Table, base: Path, source: Path) -> ImageIndex:
    for name in table.column_names:
        empty = pc.index(pc.is_null(table[name]), True).as_py()
        if empty >= 0:
            raise ImageError(f"{source}: row {empty + 1}: {name} is empty; drop the row or fill it in")
    try:
        subject = table["subject_id"].cast(pa.int64()).to_numpy()
        time = table["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
        paths = table["path"].cast(pa.string()).to_pylist()
    except pa.ArrowInvalid as error:
        raise ImageError(
            f"{source}: expected whole subject numbers, timestamps and paths: {str(error).splitlines()[0]}"
        ) from None
    return ImageIndex(subject, time, tuple(base / path for path in paths))


def _declared(root: Path) -> str:
    file = root / "metadata" / "dataset.json"
    said = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    columns = said.get("additional_value_modality_columns") or []
    if len(columns) != 1:
        raise MedsError(f"{file} declares {len(columns)} modality columns: name the one that holds paths of pictures")
    return str(columns[0])
