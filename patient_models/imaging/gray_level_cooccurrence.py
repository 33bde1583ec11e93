"""Texture by the grey-level co-occurrence matrix: how often two levels are neighbours.

Haralick et al. 1973 (IEEE Trans Syst Man Cybern 3:610); definitions of IBSI section 3.6. Matrices are symmetric, at
distance 1; features are means over directions, or of one matrix summed over them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .directions import directions, jump, padded

Array = NDArray[np.float64]
TINY = np.finfo(np.float64).eps  # inside logarithms


def cooccurrence(levels: NDArray[np.int64], *, in_plane: bool = False) -> Array:
    """Counts (K, G, G) of level pairs in the K directions that hold any; `levels` (Z, Y, X), 0 outside the region."""
    flat, strides = padded(levels)
    inside, size = np.flatnonzero(flat), int(levels.max(initial=0)) + 1
    counts = []
    for offset in directions(in_plane=in_plane):
        pairs = flat[inside] * size + flat[inside + jump(offset, strides)]
        matrix = np.bincount(pairs, minlength=size * size).reshape(size, size)[1:, 1:]
        counts.append((matrix + matrix.T).astype(np.float64))
    found = [matrix for matrix in counts if matrix.any()]
    return np.stack(found) if found else np.zeros((0, size - 1, size - 1))


def cooccurrence_features(
    levels: NDArray[np.int64], *, in_plane: bool = False, merged: bool = False
) -> dict[str, float]:
    """Features of a region's `levels` (Z, Y, X), from 1 inside and 0 outside.

    `in_plane`: only neighbours in the same slice. `merged`: one matrix summed over directions, instead of the mean of
    each direction's features. NaN where the region holds no two neighbours.
    """
    counts = cooccurrence(levels, in_plane=in_plane)
    if merged and len(counts):
        counts = counts.sum(0, keepdims=True)
    rows = [_features(matrix / matrix.sum()) for matrix in counts]
    if not rows:
        return dict.fromkeys(_features(np.ones((1, 1))), float("nan"))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _features(p: Array) -> dict[str, float]:
    """Features of one normalised symmetric matrix `p` (G, G)."""
    size = len(p)
    level = np.arange(1, size + 1, dtype=np.float64)
    i, j = level[:, None], level[None, :]
    share = p.sum(0)
    mean = float(level @ share)
    variance = float(((level - mean) ** 2) @ share)
    product = float((p * i * j).sum())
    features = {
        "autocorrelation": product,
        "joint_average": mean,
        "cluster_prominence": (p * (i + j - 2 * mean) ** 4).sum(),
        "cluster_shade": (p * (i + j - 2 * mean) ** 3).sum(),
        "cluster_tendency": (p * (i + j - 2 * mean) ** 2).sum(),
        "contrast": (p * (i - j) ** 2).sum(),
        "correlation": (product - mean**2) / variance if variance > TINY else 1.0,
        "joint_energy": (p**2).sum(),
        "joint_entropy": _entropy(p),
        "maximum_probability": p.max(),
        "sum_squares": variance,
        **_difference_features(p, size),
        **_sum_features(p, size),
        **_information_features(p, share),
    }
    return {name: float(value) for name, value in features.items()}


def _difference_features(p: Array, size: int) -> dict[str, float]:
    """Of the distribution of |i - j|."""
    k = np.arange(size, dtype=np.float64)
    far = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    share: Array = np.bincount(far.ravel(), weights=p.ravel(), minlength=size).astype(np.float64)
    mean = float(k @ share)
    return {
        "difference_average": mean,
        "difference_entropy": _entropy(share),
        "difference_variance": float(((k - mean) ** 2) @ share),
        "idm": (share / (1 + k**2)).sum(),
        "idmn": (share / (1 + (k / size) ** 2)).sum(),
        "id": (share / (1 + k)).sum(),
        "idn": (share / (1 + k / size)).sum(),
        "inverse_variance": (share[1:] / k[1:] ** 2).sum(),
    }


def _sum_features(p: Array, size: int) -> dict[str, float]:
    """Of the distribution of i + j."""
    total = np.add.outer(np.arange(1, size + 1), np.arange(1, size + 1))
    share: Array = np.bincount(total.ravel(), weights=p.ravel()).astype(np.float64)
    return {"sum_average": float(np.arange(len(share)) @ share), "sum_entropy": _entropy(share)}


def _information_features(p: Array, share: Array) -> dict[str, float]:
    """Measures of information correlation, and the maximal correlation coefficient."""
    independent = np.outer(share, share)
    own, joint = _entropy(share), _entropy(p)
    crossed, product = -(p * np.log2(independent + TINY)).sum(), _entropy(independent)
    used = share > 0
    dependence = p[np.ix_(used, used)] / np.sqrt(independent[np.ix_(used, used)])
    values = np.linalg.svd(dependence, compute_uv=False)  # the first is 1: both marginals are the same
    return {
        "imc1": (joint - crossed) / own if own > TINY else 0.0,
        "imc2": np.sqrt(max(0.0, 1 - np.exp(-2 * (product - joint)))),
        "mcc": values[1] if len(values) > 1 else 1.0,
    }


def _entropy(p: Array) -> float:
    return float(-(p * np.log2(p + TINY)).sum())
