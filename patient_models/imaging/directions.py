"""The directions in which texture features look: half of a voxel's neighbours, since a matrix counts both ways."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Offset = tuple[int, int, int]


def directions(*, in_plane: bool) -> list[Offset]:
    """Offsets (z, y, x) to 13 of the 26 neighbours, or to 4 of the 8 in the slice where `in_plane`."""
    everywhere = itertools.product((0,) if in_plane else (-1, 0, 1), (-1, 0, 1), (-1, 0, 1))
    return [offset for offset in everywhere if offset > (0, 0, 0)]


def padded(levels: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[int, int, int]]:
    """Levels (Z, Y, X), 0 outside the region, with a rim of zeros, flattened; and the strides of its axes.

    A step in any direction from any voxel of the region stays in the array: neighbours are found by adding a number.
    """
    rim = np.pad(levels, 1)
    _, height, width = rim.shape
    return rim.ravel(), (height * width, width, 1)


def jump(offset: Offset, strides: tuple[int, int, int]) -> int:
    """Distance in a padded, flattened array of two voxels `offset` apart."""
    return sum(step * stride for step, stride in zip(offset, strides, strict=True))
