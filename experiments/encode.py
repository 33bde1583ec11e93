"""`posology encode`: what an encoder reads in a user's own images, as a table, as MEDS events, and as a picture."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..patient_models.imaging.encoder import Encoder, Encoding
from ..trajectories.images import ImageError, ImageIndex, fit, images_of_table, read_image, resample
from ..trajectories.task_file import load_task

TASK = "tumor_imaging_simulated"  # its features of source `image` say under which codes the events go
SIDE = 96  # pixels of a slice
AIR = -1000.0  # HU around what is too small
SHOWN = 48  # pictures on the contact sheet
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Read:
    """What was read, and what could not be."""

    rows: list[int]  # positions in the list of images
    names: list[str]  # of the files
    slices: list[int]  # which one showed most of the lesion
    hu: Tensor  # (B, H, W) that slice
    found: Encoding
    unreadable: dict[str, str]  # what is wrong, by hashed name


def images_in(source: Path) -> tuple[list[Path], ImageIndex | None]:
    """Paths of a table of images (CSV or parquet), of all files in a folder, or of one file.

    FileNotFoundError where there is none.
    """
    if source.suffix in (".csv", ".parquet"):
        index = images_of_table(source)
        return list(index.path), index
    if source.is_dir():
        return sorted(p for p in source.iterdir() if not p.name.startswith(".")), None
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder of images")
    return [source], None


def read_images(paths: list[Path], encoder: Encoder, *, spacing: tuple[float, float, float] | None = None) -> Read:
    """Encode each file's slice with most of the lesion; ValueError where none can be read or the encoder is 3-D.

    `spacing` (z, y, x) in mm is that of PNG and NPY files, which hold none.
    """
    if encoder.config.dimensions != 2:
        raise ValueError("expected an encoder of slices, got one of stacks: train it with dimensions=2")
    rows: list[int] = []
    slices: list[int] = []
    found: list[torch.Tensor] = []
    unreadable: dict[str, str] = {}
    shown, masks = torch.empty(len(paths), SIDE, SIDE), torch.empty(len(paths), SIDE, SIDE, dtype=torch.bool)
    for row, path in enumerate(paths):
        try:
            hu = _prepared(path, encoder, spacing if path.suffix.lower() in (".png", ".npy") else None)
        except ImageError as error:
            unreadable[path.name] = str(error)
            _LOG.warning("left out: %s", error)
            continue
        every = encoder.encode(hu)
        area = every.mask.flatten(1).sum(1)
        best = int(area.argmax()) if bool(area.any()) else len(hu) // 2
        shown[len(rows)], masks[len(rows)] = hu[best], every.mask[best]
        found.append(torch.cat([every.embedding[best], *(part[best : best + 1] for part in every[2:])]))
        rows.append(row)
        slices.append(best)
    if not rows:
        raise ValueError(f"none of {len(paths)} images can be read: {next(iter(unreadable.values()), 'there is none')}")
    columns = torch.stack(found)
    embedding, sizes = columns.split((encoder.config.embedding, columns.shape[1] - encoder.config.embedding), 1)
    read = Encoding(masks[: len(rows)], embedding, *sizes.unbind(1))
    return Read(rows, [paths[r].name for r in rows], slices, shown[: len(rows)], read, unreadable)


def write_readings(read: Read, out: Path, index: ImageIndex | None) -> list[Path]:
    """Write the table OUT (.csv or .parquet), OUT's contact sheet (.png), and MEDS events where patients are known."""
    if out.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{out}: expected a name that ends in .csv or .parquet")
    out.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: column.double().numpy() for name, column in values_of(read.found).items()}
    keys: dict[str, object] = {"image": read.names, "slice": read.slices}
    if index is not None:
        subject, time = index.subject[read.rows], index.time[read.rows].astype("datetime64[us]")
        keys = {"subject_id": subject, "time": time, **keys}
    table = pa.table({**keys, **columns})
    partial = out.with_suffix(".part")
    (pq.write_table if out.suffix == ".parquet" else pyarrow.csv.write_csv)(table, partial)
    partial.replace(out)
    written = [out, _sheet(read, out.with_suffix(".png"))]
    if index is not None:
        events = out.with_name(out.stem + "_events.parquet")
        pq.write_table(events_of(columns, index.subject[read.rows], index.time[read.rows]), partial, compression="zstd")
        partial.replace(events)
        written.append(events)
    return written


def values_of(found: Encoding) -> dict[str, Tensor]:
    """Columns (B,) by the name of the feature that they become."""
    sizes = {"volume": found.volume, "diameter": found.diameter, "volume_spread": found.volume_spread}
    return {**sizes, **{f"image_{k + 1}": column for k, column in enumerate(found.embedding.unbind(1))}}


def events_of(columns: dict[str, np.ndarray], subject: np.ndarray, time: np.ndarray) -> pa.Table:
    """MEDS events of the state token, within the bounds of its features and sorted by subject and time."""
    rules = {
        name: rule for name, rule in load_task(TASK).features.items() if rule.source == "image" and name in columns
    }
    order = np.lexsort((np.tile(time, len(rules)), np.tile(subject, len(rules))))
    value = np.concatenate([np.clip(columns[name], rule.low, rule.high) for name, rule in rules.items()])
    code = np.repeat([next(iter(rule.codes)) for rule in rules.values()], len(subject))
    return pa.table(
        {
            "subject_id": pa.array(np.tile(subject, len(rules))[order], pa.int64()),
            "time": pa.array(np.tile(time, len(rules))[order], pa.timestamp("us")),
            "code": pa.array(code[order].tolist(), pa.string()),
            "numeric_value": pa.array(value[order], pa.float32()),
        }
    )


def _prepared(path: Path, encoder: Encoder, spacing: tuple[float, float, float] | None) -> Tensor:
    """Slices (S, H, W) in HU at the encoder's pixel size, 96 x 96 around the middle."""
    volume = read_image(path, spacing=spacing)
    mm = tuple(10 * side for side in encoder.config.pixel)
    volume = resample(volume, (volume.spacing[0], mm[0], mm[1]))
    return torch.from_numpy(fit(volume.values, (len(volume.values), SIDE, SIDE), AIR))


def _sheet(read: Read, path: Path) -> Path:
    from ..patient_models.imaging.contact_sheet import contact_sheet  # matplotlib takes a second

    titles = [f"{name[:18]}: {v:.1f} cm3" for name, v in zip(read.names, read.found.volume, strict=True)][:SHOWN]
    return contact_sheet(path, read.hu[:SHOWN], read.found.mask[:SHOWN], titles=titles, columns=min(8, len(read.rows)))
