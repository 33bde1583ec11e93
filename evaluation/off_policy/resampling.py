"""Resampling patients: the bootstrap of sums of ratios, for any number of estimates on the same draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from .logged import Array

Cluster = npt.NDArray[np.int64]
Combine = Callable[[Array], Array]

_BLOCK = 2_000_000  # counts held in memory at once
_CHUNK = 65_536  # counts drawn at once: few enough to stay in cache
_SPARE = 6.0  # standard deviations by which the Poisson total stays below the number of draws


def by_cluster(values: Array, cluster: Cluster | None) -> Array:
    """Totals (K, S) over the stays of each of K clusters; without clusters each stay (N, S) is its own."""
    if cluster is None or alone(cluster):
        return values
    names, index = np.unique(cluster, return_inverse=True)
    given = np.require(values, np.float64, "W")
    totals = torch.zeros(len(names), values.shape[1], dtype=torch.float64)
    return np.asarray(totals.index_add_(0, torch.from_numpy(index), torch.from_numpy(given)).numpy())


def alone(cluster: Cluster | None) -> bool:
    """Whether each stay is a cluster of its own."""
    if cluster is None:
        return True
    if int(cluster.min()) >= 0 and int(cluster.max()) < len(cluster):  # whole numbers from 0: counted, not sorted
        return bool(np.bincount(cluster).max() == 1)
    return len(np.unique(cluster)) == len(cluster)


def sum_of_ratios(num: Array, den: Array) -> Array:
    """Sum over columns of totals num / den, each (..., S); not finite where a denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray((num / den).sum(-1))


def counts(units: int, draws: int, seed: int) -> Iterator[Array]:
    """How often each of `units` is drawn, with replacement, in each of `draws` replicates: blocks (R, units).

    The blocks depend on the arguments alone, so every estimate meets the same replicates.
    """
    rows = max(1, _BLOCK // units)
    for block, start in enumerate(range(0, draws, rows)):
        size = min(rows, draws - start)
        yield _draw(np.random.default_rng([seed, block]), size, units)


def _draw(rng: np.random.Generator, rows: int, units: int) -> Array:
    """Multinomial counts (rows, units): independent Poisson counts somewhat too few, then the missing draws one by one.

    Poisson counts given their total are multinomial, and so they stay when further uniform draws are added; the rate
    is such that almost no total exceeds `units`, and a row where it does is drawn anew.
    """
    drawn = np.empty((rows, units))
    _poisson(rng, drawn, max(0.0, 1 - _SPARE / np.sqrt(units)))
    missing = units - drawn.sum(1).astype(np.int64)
    drawn[missing < 0], missing[missing < 0] = 0, units
    places = np.repeat(np.arange(rows) * units, missing) + rng.integers(0, units, missing.sum())
    np.add.at(drawn.reshape(-1), places, 1.0)
    return drawn


def _poisson(rng: np.random.Generator, out: Array, rate: float) -> None:
    """Fill `out` with Poisson counts, by inversion of 16 random bits: probabilities to 2^-16."""
    if rate == 0:
        out[:] = 0
        return
    cumulated = stats.poisson.cdf(np.arange(20), rate)
    table = np.searchsorted(cumulated, (np.arange(2**16) + 0.5) / 2**16).astype(np.float64)
    flat = out.reshape(-1)
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK]
        bits = rng.integers(0, 2**64, -(-len(part) // 4), dtype=np.uint64).view(np.uint16)
        np.take(table, bits[: len(part)], out=part, mode="clip")


def replicates(parts: Sequence[tuple[Array, Combine]], draws: int, seed: int) -> Array:
    """Bootstrap replicates (draws, E) of E numbers, each a function of the totals (R, S_e) of its columns (K, S_e).

    Every replicate draws K clusters anew and so its own denominators, in one matrix product for all. One cluster alone
    does not tell how clusters differ: its replicates are undefined, nan, instead of all alike.
    """
    columns, place = _distinct([own for own, _ in parts])
    ends = np.cumsum([own.shape[1] for own, _ in parts])[:-1]
    found = []
    for block in counts(len(columns), draws, seed):
        totals = np.split(product(block, columns)[:, place], ends, axis=1)
        found.append(np.stack([combine(own) for own, (_, combine) in zip(totals, parts, strict=True)], 1))
    return np.concatenate(found) if len(columns) > 1 else np.full((draws, len(parts)), np.nan)


def shifted(drawn: Array, shifts: Array | None, seed: int) -> Array:
    """Replicates (R,), each moved by one of `shifts` (K,) drawn at random: the sum of two independent errors.

    The draws depend on `seed` alone, so that estimates that share their refits move together.
    """
    if shifts is None:
        return drawn
    return drawn + shifts[np.random.default_rng([seed, 23]).integers(0, len(shifts), len(drawn))]


def product(block: Array, columns: Array) -> Array:
    """Totals (R, S) float64 of `columns` (K, S) in resamples (R, K); by torch, whose product of few rows is faster."""
    return np.asarray((torch.from_numpy(block) @ torch.from_numpy(columns)).numpy())


def _distinct(halves: Sequence[Array]) -> tuple[Array, npt.NDArray[np.int64]]:
    """The distinct columns (K, D) of all arrays, and at which of them each column stands: estimators share weights."""
    known: dict[bytes, list[int]] = {}
    kept: list[Array] = []
    place = []
    for column in (column for half in halves for column in half.T):
        rivals = known.setdefault(column[:: max(1, len(column) // 64)].tobytes(), [])
        same = next((n for n in rivals if np.array_equal(kept[n], column)), None)
        if same is None:
            same = len(kept)
            rivals.append(same)
            kept.append(column)
        place.append(same)
    return np.ascontiguousarray(np.stack(kept, 1)), np.array(place, dtype=np.int64)


def leave_one_out(num: Array, den: Array) -> Array:
    """The sum of ratios (K,) without each of the K clusters in turn."""
    return sum_of_ratios(num.sum(0) - num, den.sum(0) - den)
