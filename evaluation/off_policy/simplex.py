"""Quadratic programmes on the probability simplex."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from .logged import Array

_RIDGE = 1e-10  # of the mean diagonal: of several solutions the most even one, alike on every machine


def least_square(rows: Array, ridge: float = _RIDGE) -> Array:
    """The x (S,) with x >= 0 and sum x = 1 that minimises |A x|^2, A (K, S).

    The least y >= 0 of |Ay|^2 + (sum y - 1)^2 is a multiple of x: for a given sum the first term wants the best x,
    and its sum is positive. So the active-set algorithm of Lawson & Hanson (1974, chapter 23) for non-negative least
    squares finds x exactly. The last corner where A is 0.
    """
    size = rows.shape[1]
    scale = float((rows**2).sum()) / size
    if not scale > 0:
        return np.asarray(np.eye(size)[-1])
    equations = np.vstack((rows / np.sqrt(scale), np.sqrt(ridge) * np.eye(size), np.ones(size)))
    found, _ = optimize.nnls(equations, np.append(np.zeros(len(equations) - 1), 1.0))
    return np.asarray(found / found.sum())


def root(matrix: Array) -> Array:
    """A (S, S) with A'A = M, for M (S, S) symmetric and positive semidefinite."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)
