"""DICOM in: one file, or the files of a series, to a volume.

DICOM PS3.3, sections C.7.6.2 for the geometry and C.11.1 for the rescale.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from .volume import ImageError, Volume, oriented

_EVEN = 0.02  # of the median gap between slices; a missing slice makes one gap twice as wide


def read_dicom(files: list[Path]) -> Volume:
    """The volume of a single-frame or multi-frame file, or of the slices of one series in any order.

    ImageError for several series, missing or repeated slices, colour pictures, or pixels that cannot be decoded.
    """
    with _silently():
        return _volume([pydicom.dcmread(file) for file in files])


@contextmanager
def _silently() -> Iterator[None]:
    """Keep the decoder's complaints out of logs: they quote what stands in the file, names of patients included."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = before


def _volume(slices: list[pydicom.Dataset]) -> Volume:
    series = {str(s.get("SeriesInstanceUID", "")) for s in slices}
    if len(series) > 1:
        raise ImageError(f"{len(series)} series in one folder: give each series a folder of its own")
    if len(slices) == 1:
        return _one_file(slices[0])
    shapes = {(s.get("Rows"), s.get("Columns")) for s in slices}
    if len(shapes) > 1:
        raise ImageError(f"slices of different sizes {sorted(shapes)}: they do not belong together")
    row, column, pixel = _plane(slices[0])
    normal = np.cross(row, column)
    place = np.array([_position(s) @ normal for s in slices])
    order = np.argsort(place)
    gap = _even_gap(place[order])
    values = np.stack([_intensities(slices[i]) for i in order])
    return oriented(values, np.stack([normal * gap, column * pixel[0], row * pixel[1]], 1))


def _one_file(data: pydicom.Dataset) -> Volume:
    values = _intensities(data)
    row, column, pixel = _plane(data)
    if values.ndim == 2:
        values = values[None]
    gap = float(data.get("SpacingBetweenSlices") or _shared(data, "SliceThickness") or 1.0)
    return oriented(values, np.stack([np.cross(row, column) * gap, column * pixel[0], row * pixel[1]], 1))


def _intensities(data: pydicom.Dataset) -> NDArray[np.float32]:
    """Pixels (Y, X) or (Z, Y, X) in the unit of the modality."""
    if int(data.get("SamplesPerPixel", 1)) != 1:
        raise ImageError("a colour picture: expected one sample a pixel")
    if not data.get("Rows") or not data.get("Columns"):
        raise ImageError("no pixels: rows or columns are missing or zero")
    values = data.pixel_array.astype(np.float32)
    values = values * float(_shared(data, "RescaleSlope") or 1) + float(_shared(data, "RescaleIntercept") or 0)
    if data.get("PhotometricInterpretation") == "MONOCHROME1":  # low is bright
        values = values.max() + values.min() - values
    return values


def _plane(data: pydicom.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Directions (3,) of increasing column and row number, and the spacing of rows and columns in mm."""
    spacing = _shared(data, "PixelSpacing") or data.get("ImagerPixelSpacing")
    if spacing is None:
        raise ImageError("no pixel spacing: its sizes in mm are unknown")
    angles = np.array(_shared(data, "ImageOrientationPatient") or (1, 0, 0, 0, 1, 0), dtype=np.float64)
    row, column = angles[:3], angles[3:]
    if abs(row @ column) > 0.01 or not np.allclose([np.linalg.norm(row), np.linalg.norm(column)], 1, atol=0.01):
        raise ImageError(f"the orientation {angles.tolist()} is not two perpendicular directions")
    return row, column, (float(spacing[0]), float(spacing[1]))


def _position(data: pydicom.Dataset) -> NDArray[np.float64]:
    if data.get("ImagePositionPatient") is None:
        raise ImageError("a slice has no position: the order of the series is unknown")
    return np.array(data.ImagePositionPatient, dtype=np.float64)


def _even_gap(place: NDArray[np.float64]) -> float:
    gaps = np.diff(place)
    middle = float(np.median(gaps))
    if middle <= 0 or gaps.min() < middle * _EVEN:
        raise ImageError("two slices lie at one place: the series holds repeats")
    if np.abs(gaps - middle).max() > middle * _EVEN:
        raise ImageError(f"gaps between slices range from {gaps.min():.3g} to {gaps.max():.3g} mm: slices are missing")
    return middle


def _shared(data: pydicom.Dataset, keyword: str) -> Any:
    """A value of the dataset itself, or of what all frames of an enhanced multi-frame object share."""
    if keyword in data:
        return data.get(keyword)
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for functional in (data.get(group) or [])[:1]:
            for element in functional:
                if element.VR == "SQ" and element.value and keyword in element.value[0]:
                    return element.value[0].get(keyword)
    return None
