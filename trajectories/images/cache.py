"""Pictures made alike and kept as one compact array, which is read lazily."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...contracts import Progress, silent
from .files import read_image
from .index import ImageIndex
from .volume import ImageError, Spacing, fit, resample, window

_PIXELS, _ABOUT = "pixels.npy", "cache.json"
_TOP = 65535  # of uint16


@dataclass(frozen=True)
class Preparation:
    """How every picture is made alike: spacing (z, y, x) mm, a display window, and the shape cut from its middle."""

    spacing: Spacing
    shape: tuple[int, int, int]  # (Z, Y, X) voxels
    center: float = 40.0  # of the window, in the picture's unit
    width: float = 400.0
    file_spacing: Spacing | None = None  # of PNG and NPY files, which hold none

    def __call__(self, path: Path) -> NDArray[np.float32]:
        """Values (Z, Y, X) in 0..1; ImageError where the file cannot be read."""
        volume = resample(read_image(path, spacing=self.file_spacing), self.spacing)
        return fit(window(volume.values, self.center, self.width), self.shape)


@dataclass(frozen=True)
class ImageCache:
    """Prepared pictures on disk: values are uint16 shares of the window, mapped into memory page by page."""

    folder: Path
    preparation: Preparation
    row: dict[int, int]  # position in the index -> row of the array
    unreadable: dict[str, str]  # hashed name -> why

    def __len__(self) -> int:
        return len(self.row)

    @property
    def pixels(self) -> NDArray[np.uint16]:
        """All pictures (P, Z, Y, X), mapped read-only."""
        mapped: NDArray[np.uint16] = np.load(self.folder / _PIXELS, mmap_mode="r", allow_pickle=False)
        return mapped

    def batch(self, positions: list[int]) -> NDArray[np.float32]:
        """Pictures (B, Z, Y, X) in 0..1 of these positions in the index; KeyError for one that was unreadable."""
        rows = [self.row[position] for position in positions]
        shares: NDArray[np.float32] = self.pixels[rows].astype(np.float32) / np.float32(_TOP)
        return shares


def cache_images(
    index: ImageIndex,
    positions: list[int],
    folder: str | Path,
    preparation: Preparation,
    *,
    progress: Progress = silent,
) -> ImageCache:
    """Prepare the pictures at `positions` of the index one by one into `folder`, whole or not at all.

    An unreadable file is listed by its hashed name with the reason, and is not fatal. A cache of the same pictures and
    preparation is reused; FileExistsError where the folder holds something else.
    """
    folder = Path(folder)
    about: dict[str, object] = {
        "preparation": dataclasses.asdict(preparation),
        "pictures": [index.hashed(position) for position in positions],
    }
    if folder.exists():
        return _reuse(folder, positions, preparation, about)
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        row, unreadable = _fill(index, positions, draft, preparation, progress)
        said = {**about, "rows": [row.get(position, -1) for position in positions], "unreadable": unreadable}
        (draft / _ABOUT).write_text(json.dumps(said, indent=1), encoding="utf-8")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return ImageCache(folder, preparation, row, unreadable)


def _fill(
    index: ImageIndex, positions: list[int], draft: Path, preparation: Preparation, progress: Progress
) -> tuple[dict[int, int], dict[str, str]]:
    shape = (len(positions), *preparation.shape)
    pixels = np.lib.format.open_memmap(draft / _PIXELS, mode="w+", dtype=np.uint16, shape=shape)
    row: dict[int, int] = {}
    unreadable: dict[str, str] = {}
    for number, position in enumerate(positions):
        try:
            pixels[len(row)] = np.rint(preparation(index.path[position]) * _TOP)
            row[position] = len(row)
        except ImageError as error:
            unreadable[index.hashed(position)] = str(error).partition(": ")[2]  # the file's own name stays out
        progress((number + 1) / len(positions), "reading pictures")
    pixels.flush()
    return row, unreadable


def _reuse(folder: Path, positions: list[int], preparation: Preparation, about: dict[str, object]) -> ImageCache:
    file = folder / _ABOUT
    said = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    if any(said.get(key) != json.loads(json.dumps(value)) for key, value in about.items()):
        raise FileExistsError(f"{folder} holds something else; remove it or choose another folder")
    rows = {position: row for position, row in zip(positions, said["rows"], strict=True) if row >= 0}
    return ImageCache(folder, preparation, rows, said["unreadable"])
