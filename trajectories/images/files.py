"""Pictures in: DICOM, NIfTI, NRRD, PNG and NPY to volumes. What a file holds is told by its content, not its name."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .volume import ImageError, Spacing, Volume, oriented

Kind = Literal["DICOM", "NIfTI", "NRRD", "PNG", "NPY"]
_SUFFIXES: dict[str, Kind] = {
    ".dcm": "DICOM", ".nii": "NIfTI", ".nii.gz": "NIfTI", ".nrrd": "NRRD", ".png": "PNG", ".npy": "NPY"
}  # fmt: skip
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def read_image(path: str | Path, *, spacing: Spacing | None = None) -> Volume:
    """The volume in a file, or in a folder that holds one DICOM series.

    `spacing` (z, y, x) in mm is asked for PNG and NPY, which hold none, and refused elsewhere. ImageError names the
    file and what is wrong with it: absent, empty, truncated, of another kind than its name says, in colour, without a
    geometry, or not finite. ImportError where `posology[imaging]` is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path.name}: no such file")
    files = sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
    if not files:
        raise ImageError(f"{path.name}: an empty folder")
    kinds = {_kind(file) for file in files}
    if path.is_dir() and kinds != {"DICOM"}:
        raise ImageError(f"{path.name}: a folder is read as one DICOM series, but holds {', '.join(sorted(kinds))}")
    kind = kinds.pop()
    if (spacing is None) == (kind in ("PNG", "NPY")):
        raise ImageError(f"{path.name}: {kind} {'holds no' if spacing is None else 'holds its own'} spacing")
    try:
        return _read(kind, files, spacing)
    except ImportError:
        raise
    except ImageError as error:
        raise ImageError(f"{path.name}: {error}") from None
    except Exception as error:  # a decoder's own complaint, whatever its type: the file cannot be read
        # its words may quote the file, and with it a patient: only its type is told
        raise ImageError(f"{path.name}: not a readable {kind} file ({type(error).__name__}): is it whole?") from None


def _kind(file: Path) -> Kind:
    """What a file holds; ImageError where that is nothing known, or not what its name says."""
    with file.open("rb") as handle:
        head = handle.read(352)
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(file) as handle:
                head = handle.read(352)
        except (OSError, EOFError, zlib.error):
            raise ImageError(f"{file.name}: a damaged gzip file") from None
    found = _kind_of(head)
    if found is None:
        raise ImageError(f"{file.name}: {'an empty file' if not head else 'no DICOM, NIfTI, NRRD, PNG or NPY file'}")
    named = next((kind for suffix, kind in _SUFFIXES.items() if file.name.lower().endswith(suffix)), found)
    if named != found:
        raise ImageError(f"{file.name}: named like {named}, but holds {found}: rename it")
    return found


def _kind_of(head: bytes) -> Kind | None:
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2":
        return "NIfTI"
    if head[:4] == b"NRRD":
        return "NRRD"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    return "NPY" if head[:6] == b"\x93NUMPY" else None


def _read(kind: Kind, files: list[Path], spacing: Spacing | None) -> Volume:
    if kind == "DICOM":
        from .dicom import read_dicom

        return read_dicom(files)
    if kind == "NIfTI":
        return _nifti(files[0])
    if kind == "NRRD":
        return _nrrd(files[0])
    assert spacing is not None
    values = _png(files[0]) if kind == "PNG" else np.load(files[0], allow_pickle=False)
    if values.dtype.kind not in "iufb":
        raise ImageError(f"expected numbers, got {values.dtype}")
    return Volume((values[None] if values.ndim == 2 else values).astype(np.float32), spacing)


def _nifti(file: Path) -> Volume:
    import nibabel

    content = file.read_bytes()
    raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    image = nibabel.Nifti1Image.from_stream(io.BytesIO(raw))
    values = np.asarray(image.dataobj, dtype=np.float32)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise ImageError(f"expected one volume on three axes, got shape {values.shape}: split a series of volumes")
    return oriented(values, _RAS_TO_LPS @ np.asarray(image.affine[:3, :3], dtype=np.float64))


def _nrrd(file: Path) -> Volume:
    import nrrd

    values, header = nrrd.read(str(file))
    if values.ndim != 3:
        raise ImageError(f"expected three axes, got shape {values.shape}")
    if "space directions" not in header:
        if "spacings" not in header:
            raise ImageError("neither space directions nor spacings: its sizes in mm are unknown")
        return oriented(values, np.diag(np.asarray(header["spacings"], dtype=np.float64)))
    axes = np.asarray(header["space directions"], dtype=np.float64).T
    return oriented(values, _to_lps(str(header.get("space", "left-posterior-superior"))) @ axes)


def _to_lps(space: str) -> NDArray[np.float64]:
    """Signs that turn a NRRD space into LPS; its long and short names are those of the NRRD definition."""
    long = {"lps": "left-posterior-superior", "ras": "right-anterior-superior", "las": "left-anterior-superior"}
    words = long.get(space.lower(), space.lower()).split("-")
    signs = {"left": 1, "right": -1, "posterior": 1, "anterior": -1, "superior": 1, "inferior": -1}
    if len(words) != 3 or not set(words) <= set(signs):
        raise ImageError(f"unknown space {space!r}: expected one like left-posterior-superior")
    return np.diag([float(signs[word]) for word in words])


def _png(file: Path) -> NDArray[np.generic]:
    from PIL import Image

    with Image.open(file) as picture:
        if picture.mode not in ("1", "L", "I", "I;16", "I;16B", "F"):
            raise ImageError(f"a picture of mode {picture.mode}: expected grey levels")
        return np.asarray(picture)
