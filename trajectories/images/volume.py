"""A scan as numbers: values on a regular grid in the patient's own directions, and nothing else of its file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

Array = NDArray[np.float32]
Spacing = tuple[float, float, float]


class ImageError(ValueError):
    """A picture that cannot be used, said in one sentence."""


@dataclass(frozen=True)
class Volume:
    """Intensities in their own unit (Hounsfield units for CT); a single picture is one slice deep.

    Axes run to the head, to the back and to the patient's left (LPS directions, slowest axis first), whatever the
    order in the file. No tag of the file is kept: neither a name nor a private field can leave with it.
    """

    values: Array  # (Z, Y, X) float32
    spacing: Spacing  # (z, y, x) mm

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or not self.values.size:
            raise ImageError(f"expected a picture with at least one pixel on three axes, got shape {self.values.shape}")
        if not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise ImageError(f"expected positive spacings in mm, got {self.spacing}")
        if not np.isfinite(self.values).all():
            raise ImageError("some intensities are not finite")


def oriented(values: NDArray[np.generic], axes: NDArray[np.float64]) -> Volume:
    """The volume of an array (I, J, K) whose step along axis n moves by the column `axes[:, n]` (3,) mm in LPS.

    Axes are permuted and flipped to the nearest directions of `Volume`; an oblique grid keeps its own angles.
    ImageError where the columns do not span three directions.
    """
    lengths = np.linalg.norm(axes, axis=0)
    if axes.shape != (3, 3) or not np.isfinite(axes).all() or (lengths <= 0).any():
        raise ImageError(f"expected three directions of positive length in mm, got {axes.tolist()}")
    if abs(np.linalg.det(axes / lengths)) < 0.1:
        raise ImageError("the directions of its axes do not span space")
    order = _nearest_axes(axes / lengths)
    turned = values.transpose(order)
    for position, (axis, direction) in enumerate(zip(order, (2, 1, 0), strict=True)):
        if axes[direction, axis] < 0:
            turned = np.flip(turned, position)
    z, y, x = (float(lengths[axis]) for axis in order)
    return Volume(np.ascontiguousarray(turned, dtype=np.float32), (z, y, x))


def _nearest_axes(directions: NDArray[np.float64]) -> tuple[int, int, int]:
    """Array axes that run nearest to z, y and x: the strongest component is settled first."""
    strength = np.abs(directions)
    chosen: dict[int, int] = {}
    while len(chosen) < 3:
        world, axis = np.unravel_index(np.argmax(strength), strength.shape)
        chosen[int(world)] = int(axis)
        strength[world, :] = strength[:, axis] = -1
    return chosen[2], chosen[1], chosen[0]


def resample(volume: Volume, spacing: Spacing) -> Volume:
    """The volume on a grid of `spacing` (z, y, x) mm over the same extent; linear, blurred first where it coarsens."""
    if volume.spacing == spacing:
        return volume
    factor = np.asarray(spacing) / np.asarray(volume.spacing)
    shape = tuple(max(1, round(n / f)) for n, f in zip(volume.values.shape, factor, strict=True))
    smooth = gaussian_filter(volume.values, np.maximum(factor - 1, 0) / 2, mode="nearest")
    offset = (factor - 1) / 2  # both grids begin at the same edge, not at the same centre
    values = affine_transform(smooth, factor, offset, shape, order=1, mode="nearest")
    return Volume(values.astype(np.float32), spacing)


def window(values: NDArray[np.floating], center: float, width: float) -> Array:
    """Intensities as shares of a display window: 0 at center - width / 2 or below, 1 at center + width / 2 or above."""
    if not width > 0:
        raise ValueError(f"expected a positive window width, got {width}")
    shares: Array = np.clip((values - (center - width / 2)) / width, 0, 1).astype(np.float32)
    return shares


def fit(values: Array, shape: tuple[int, int, int], fill: float = 0.0) -> Array:
    """The middle of an array (Z, Y, X) cut or padded with `fill` to `shape`."""
    for axis, size in enumerate(shape):
        extra = values.shape[axis] - size
        if extra > 0:
            values = np.take(values, range(extra // 2, extra // 2 + size), axis)
        elif extra < 0:
            before = -extra // 2
            widths = [(before, -extra - before) if a == axis else (0, 0) for a in range(3)]
            values = np.pad(values, widths, constant_values=fill)
    return values
