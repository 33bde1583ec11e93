"""Fitting the admission distribution: smoothed quantiles, and the correlation of normal scores."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ..contracts import Spec, Trajectories
from ..trajectories.scaling import Scaler, scale_age

KNOTS, REACH = 49, 3.0  # quantiles are kept at KNOTS equally spaced standard normals from -REACH to REACH
CROWD = 5  # every quantile is a mean over at least so many stays, so that no patient's value is kept
_LARGEST = 0.995  # correlation
_GRID = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # how values may be rounded
_ROUNDED = 0.99  # share of values on a grid from which a column counts as recorded on it

Array = NDArray[np.float64]


def discrete(spec: Spec) -> NDArray[np.bool_]:
    """Which of the J columns take whole numbers from 0 on (J,): categories, and how a value is known."""
    category = [f.scale == "category" for f in (*spec.context, *spec.features)]
    known, age = [True] * len(spec.features), [False] * len(spec.features)
    return np.array([*category, *known, *age])


def fit_admission(stays: Trajectories) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Quantiles (J, KNOTS), cuts (J, L), lower triangular factor (J, J) and grid (C + D,) of stays' first states.

    A continuous column has quantiles, a discrete one cuts: its level is the number of cuts below a standard normal.
    ValueError for fewer than CROWD stays.
    """
    if len(stays) < CROWD:
        raise ValueError(f"an admission distribution needs at least {CROWD} stays, got {len(stays)}: widen the cohort")
    columns, whole = _columns(stays), discrete(stays.spec)
    levels = max([3, *(len(f.levels) for f in (*stays.spec.context, *stays.spec.features))])
    pairs = list(zip(columns.T, whole, strict=True))
    quantiles = [np.zeros(KNOTS) if w else _quantiles(column) for column, w in pairs]
    cuts = [_cuts(column, levels) if w else np.full(levels - 1, np.inf) for column, w in pairs]
    factor = np.linalg.cholesky(_correlation(columns))
    found = (torch.tensor(np.stack(quantiles)), torch.tensor(np.stack(cuts)), torch.tensor(factor))
    quantile, cut, lower = (tensor.float() for tensor in found)
    return quantile, cut, lower, _grids(stays)


def _grids(stays: Trajectories) -> torch.Tensor:
    """What context and first vitals (C + D,) are rounded to in the records, in clinical units; 0: to nothing."""
    spec, known = stays.spec, stays.seen[:, 0] | (scale_age(stays.spec, stays.age[:, 0]) < 1 - 1e-6)
    context = [stays.context[:, c] for c in range(len(spec.context))]
    vitals = [stays.vitals[:, 0, d][known[:, d]] for d in range(len(spec.features))]
    return torch.tensor([_grid(values.double().numpy()) for values in (*context, *vitals)])


def _grid(values: Array) -> float:
    """The coarsest grid that nearly all values lie on, zeros apart, which lie on any; 0 for few values."""
    values = values[values != 0]
    for step in _GRID if len(values) >= CROWD else ():
        off = np.abs(values / step - np.round(values / step))
        if (off < 1e-3).mean() >= _ROUNDED:
            return step
    return 0.0


def _columns(stays: Trajectories) -> Array:
    """Scaled first columns (N, J); NaN where nothing is to be learned: a value never known, an age not carried."""
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
    return np.asarray(np.maximum.accumulate((total[high] - total[low]) / (high - low)))


def _cuts(column: Array, levels: int) -> Array:
    """Standard normals (levels - 1,) up to which levels 0, 1, ... reach; level 0 alone where nothing is known."""
    known = column[~np.isnan(column)]
    if not len(known):
        return np.full(levels - 1, np.inf)
    return np.asarray(ndtri([(known <= level).mean() for level in range(levels - 1)]))


def _correlation(columns: Array) -> Array:
    """Correlation (J, J) of the latent normals, from pairs that are both known; shrunk and positive definite.

    The covariance of mean scores of tied values falls short of the latent correlation by the product of the scores'
    variances, to first order, and is divided by it. Each correlation is shrunk by the share of its square that is not
    sampling error, (1 - r^2)^2 / n over that product: chance ones vanish, values measured together stay together.
    """
    scores = np.stack([_scores(column) for column in columns.T], 1)
    known = (~np.isnan(scores)).astype(float)
    filled = np.nan_to_num(scores)
    pairs = known.T @ known
    covariance = filled.T @ filled / np.maximum(pairs, 1)
    variance = np.square(filled).sum(0) / np.maximum(known.sum(0), 1)
    scale = np.outer(variance, variance)
    raw = np.where(scale > 1e-4, covariance / np.maximum(scale, 1e-4), 0.0)
    found = np.clip(raw, -_LARGEST, _LARGEST)
    square, error = np.square(found), np.square(1 - np.square(found)) / np.maximum(pairs * scale, 1e-4)
    correlation = found * square / np.maximum(square + error, 1e-12)
    np.fill_diagonal(correlation, 1.0)
    value, vector = np.linalg.eigh(correlation)
    correlation = (vector * np.maximum(value, 1e-3)) @ vector.T
    spread = np.sqrt(np.diag(correlation))
    return np.asarray(correlation / np.outer(spread, spread))


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
