"""Texture by the grey-level run-length matrix: how long the same level goes on in a direction.

Galloway 1975 (Comput Graph Image Process 4:172); definitions of IBSI section 3.7. Features are means over directions,
or of one matrix summed over them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .directions import directions, jump, padded

Array = NDArray[np.float64]


def run_lengths(levels: NDArray[np.int64], *, in_plane: bool = False) -> Array:
    """Counts (K, G, L) of runs by direction, level and length; `levels` (Z, Y, X), 0 outside the region."""
    flat, strides = padded(levels)
    inside = np.flatnonzero(flat)
    size, longest = int(levels.max(initial=0)), max(levels.shape)
    counts = []
    for offset in directions(in_plane=in_plane):
        step = jump(offset, strides)
        start = inside[flat[inside - step] != flat[inside]]
        length = np.ones_like(start)
        going = np.arange(len(start))
        while len(going):
            going = going[flat[start[going] + step * length[going]] == flat[start[going]]]
            length[going] += 1
        cell = (flat[start] - 1) * longest + length - 1
        counts.append(np.bincount(cell, minlength=size * longest).reshape(size, longest))
    return np.stack(counts).astype(np.float64)


def run_length_features(levels: NDArray[np.int64], *, in_plane: bool = False, merged: bool = False) -> dict[str, float]:
    """Features of a region's `levels` (Z, Y, X), from 1 inside and 0 outside.

    `in_plane`: only runs within a slice. `merged`: one matrix summed over directions, instead of the mean of each
    direction's features. ValueError for an empty region.
    """
    if not levels.any():
        raise ValueError("the region is empty: a mask needs at least one voxel")
    counts = run_lengths(levels, in_plane=in_plane)
    if merged:
        counts = counts.sum(0, keepdims=True)
    rows = [_features(matrix) for matrix in counts]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _features(counts: Array) -> dict[str, float]:
    """Features of one matrix (G, L) of counts."""
    runs = counts.sum()
    p = counts / runs
    level = np.arange(1, counts.shape[0] + 1, dtype=np.float64)
    length = np.arange(1, counts.shape[1] + 1, dtype=np.float64)
    by_level, by_length = p.sum(1), p.sum(0)
    i, j = level[:, None] ** 2, length[None, :] ** 2
    used = p[p > 0]
    features = {
        "short_run_emphasis": by_length @ (1 / length**2),
        "long_run_emphasis": by_length @ length**2,
        "gray_level_non_uniformity": (by_level**2).sum() * runs,
        "gray_level_non_uniformity_normalized": (by_level**2).sum(),
        "run_length_non_uniformity": (by_length**2).sum() * runs,
        "run_length_non_uniformity_normalized": (by_length**2).sum(),
        "run_percentage": 1 / (by_length @ length),  # of the voxels, which every direction counts once
        "gray_level_variance": by_level @ (level - by_level @ level) ** 2,
        "run_variance": by_length @ (length - by_length @ length) ** 2,
        "run_entropy": -(used * np.log2(used)).sum(),
        "low_gray_level_run_emphasis": by_level @ (1 / level**2),
        "high_gray_level_run_emphasis": by_level @ level**2,
        "short_run_low_gray_level_emphasis": (p / (i * j)).sum(),
        "short_run_high_gray_level_emphasis": (p * i / j).sum(),
        "long_run_low_gray_level_emphasis": (p * j / i).sum(),
        "long_run_high_gray_level_emphasis": (p * i * j).sum(),
    }
    return {name: float(value) for name, value in features.items()}
