"""Quadratic programmes on the probability simplex."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from .logged import Array

_RIDGE = 1e-10  # of the mean diagonal: of several solutions the most even one, alike on every machine


def least_square(matrix: Array) -> Array:
    """The x (S,) with x >= 0 and sum x = 1 that minimises x' M x, M (S, S) symmetric and positive semidefinite.

    With M = A'A, the least y >= 0 of |Ay|^2 + (sum y - 1)^2 is a multiple of x: for a given sum the first term wants
    the best x, and its sum is positive. So the active-set algorithm of Lawson & Hanson (1974, chapter 23) for
    non-negative least squares finds x exactly. The last corner where M is 0.
    """
    scale = float(np.trace(matrix)) / len(matrix)
    if not scale > 0:
        return np.asarray(np.eye(len(matrix))[-1])
    values, vectors = np.linalg.eigh(matrix / scale)
    root = np.sqrt(np.maximum(values, 0) + _RIDGE)[:, None] * vectors.T
    found, _ = optimize.nnls(np.vstack((root, np.ones(len(matrix)))), np.append(np.zeros(len(matrix)), 1.0))
    return np.asarray(found / found.sum())
