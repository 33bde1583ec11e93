"""Fitting the admission distribution: smoothed quantiles, and the correlation of normal scores."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ..contracts import Trajectories
from ..trajectories.scaling import Scaler, scale_age

KNOTS, REACH = 49, 3.0  # quantiles are kept at KNOTS equally spaced standard normals from -REACH to REACH
CROWD = 5  # every quantile is a mean over at least so many stays, so that no patient's value is kept
_PRIOR = 10  # stays' worth of belief that two columns are unrelated
_LARGEST = 0.98  # correlation

Array = NDArray[np.float64]


def fit_admission(stays: Trajectories) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantiles (J, KNOTS) and lower triangular factor (J, J) of the first states of stays.

    ValueError for fewer than CROWD stays.
    """
    if len(stays) < CROWD:
        raise ValueError(f"an admission distribution needs at least {CROWD} stays, got {len(stays)}: widen the cohort")
    columns = _columns(stays)
    quantiles = np.stack([_quantiles(column) for column in columns.T])
    correlation = _correlation(columns)
    factor = np.linalg.cholesky(correlation)
    return torch.tensor(quantiles, dtype=torch.float32), torch.tensor(factor, dtype=torch.float32)


def _columns(stays: Trajectories) -> Array:
    """Scaled first columns (N, J); NaN where there is nothing to learn from: a value never known, an age not carried."""
    spec = stays.spec
    age = scale_age(spec, stays.age[:, 0])
    seen = stays.seen[:, 0]
    carried = ~seen & (age < 1 - 1e-6)
    nothing = torch.tensor(float("nan"))
    parts = [
        Scaler.of(spec.context).scale(stays.context),
        torch.where(seen | carried, Scaler.of(spec.features).scale(stays.vitals[:, 0]), nothing),
        carried.float() + 2 * seen.float(),
        torch.where(carried, age, nothing),
    ]
    return torch.cat([part.double() for part in parts], 1).numpy()


def _quantiles(column: Array) -> Array:
    """Rising quantiles (KNOTS,), each a mean over neighbours; 0, the middle, where too few values are known."""
    known = np.sort(column[~np.isnan(column)])
    if len(known) < CROWD:
        return np.zeros(KNOTS)
    knots = np.linspace(-REACH, REACH, KNOTS)
    half = (knots[1] - knots[0]) / 2
    low = np.floor(ndtr(knots - half) * len(known)).astype(int)
    high = np.ceil(ndtr(knots + half) * len(known)).astype(int)
    lacking = np.maximum(CROWD - (high - low), 0)
    low = np.clip(low - lacking // 2, 0, len(known) - CROWD)
    high = np.minimum(np.maximum(high + lacking - lacking // 2, low + CROWD), len(known))
    total = np.concatenate([[0.0], np.cumsum(known)])
    return np.maximum.accumulate((total[high] - total[low]) / (high - low))


def _correlation(columns: Array) -> Array:
    """Correlation (J, J) of the latent normals, from pairs that are both known; shrunk and positive definite.

    The covariance of mean scores of tied values falls short of the latent correlation by the product of the scores'
    variances, to first order, and is divided by it.
    """
    scores = np.stack([_scores(column) for column in columns.T], 1)
    known = (~np.isnan(scores)).astype(float)
    filled = np.nan_to_num(scores)
    pairs = known.T @ known
    covariance = filled.T @ filled / np.maximum(pairs, 1)
    variance = np.square(filled).sum(0) / np.maximum(known.sum(0), 1)
    scale = np.outer(variance, variance)
    raw = np.where(scale > 1e-4, covariance / np.maximum(scale, 1e-4), 0.0)
    correlation = np.clip(raw, -_LARGEST, _LARGEST) * pairs / (pairs + _PRIOR)
    np.fill_diagonal(correlation, 1.0)
    value, vector = np.linalg.eigh(correlation)
    correlation = (vector * np.maximum(value, 1e-3)) @ vector.T
    spread = np.sqrt(np.diag(correlation))
    return correlation / np.outer(spread, spread)


def _scores(column: Array) -> Array:
    """Standard normals of the ranks, averaged over ties; NaN stays NaN."""
    scores = np.full(len(column), np.nan)
    known = ~np.isnan(column)
    count = int(known.sum())
    if count >= CROWD:
        _, number = np.unique(column[known], return_inverse=True)
        rank = np.empty(count)
        rank[np.argsort(number, kind="stable")] = ndtri((np.arange(count) + 0.5) / count)
        scores[known] = (np.bincount(number, rank) / np.bincount(number))[number]
    return scores
