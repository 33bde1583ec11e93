"""Radiomic features of a lesion: intensities, shape and texture, in the definitions of IBSI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .first_order import first_order
from .gray_level_cooccurrence import cooccurrence_features
from .gray_level_run_length import run_length_features
from .gray_levels import fixed_count, fixed_width
from .shape import Spacing, shape_features


def radiomics(
    image: NDArray[np.floating] | NDArray[np.integer],
    mask: NDArray[np.bool_],
    spacing: Spacing,
    *,
    bin_width: float = 25.0,
    bin_count: int | None = None,
    intensity_shift: float = 0.0,
    in_plane: bool = False,
    merged: bool = False,
) -> dict[str, float]:
    """Features by name, `<family>.<feature>`, of the region `mask` in an `image`, both (Z, Y, X).

    `spacing` (z, y, x) in mm. Intensities are discretised in bins of `bin_width`, or in `bin_count` equal bins where
    that is given. `intensity_shift` is added before energies are taken. Texture looks at 13 directions (4 where
    `in_plane`), averaging features over them, or at their `merged` matrix.

    Checked against the values that pyradiomics publishes for real volumes: `docs/radiomics.md`. ValueError for arrays
    of other or different shapes, an empty mask, a spacing that is not positive, or intensities that are not finite.
    """
    _check(image, mask, spacing)
    values = image[mask].astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the region holds intensities that are not finite: repair the image or shrink the mask")
    levels = np.zeros(mask.shape, dtype=np.int64)
    levels[mask] = fixed_width(values, bin_width) if bin_count is None else fixed_count(values, bin_count)
    families = {
        "first_order": first_order(values, levels[mask], float(np.prod(spacing)), shift=intensity_shift),
        "shape": shape_features(mask, spacing),
        "glcm": cooccurrence_features(levels, in_plane=in_plane, merged=merged),
        "glrlm": run_length_features(levels, in_plane=in_plane, merged=merged),
    }
    return {f"{family}.{name}": value for family, found in families.items() for name, value in found.items()}


def _check(image: NDArray[np.generic], mask: NDArray[np.bool_], spacing: Spacing) -> None:
    if image.ndim != 3 or image.shape != mask.shape:
        raise ValueError(f"expected an image and a mask of one shape (Z, Y, X), got {image.shape} and {mask.shape}")
    if mask.dtype != np.bool_:
        raise ValueError(f"expected a boolean mask, got {mask.dtype}: write mask == label")
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"expected three positive spacings in mm (z, y, x), got {spacing}")
    if not mask.any():
        raise ValueError("the mask is empty: a lesion needs at least one voxel")
