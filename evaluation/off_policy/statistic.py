"""Estimates that are no sum of ratios: what they must be able to do, and how they are resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .logged import Array, Mask
from .resampling import Cluster, Combine, counts, sum_of_ratios

_GROUPS = 200  # of the grouped jackknife
_BLOCK = 4_000_000  # counts of stays held in memory at once


Terms = tuple[Array, Array]  # (N, S) each


class Statistic(Protocol):
    """A number estimated from N stays, which can be estimated anew from any resample of them."""

    def terms(self) -> Terms:
        """Numerators and denominators whose sum of ratios is the number, linearised around it if `smooth`."""

    def replicate(self, counts: Array) -> Array:
        """The number (R,) in resamples that hold stay i `counts[r, i]` times; counts (R, N)."""

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Statistic:
        """The same number, estimated from some of the stays."""

    @property
    def smooth(self) -> bool:  # the terms vary as the number does: delta and student_t may be used
        ...


@runtime_checkable
class Totalled(Protocol):
    """A statistic that needs no more of a resample than the totals of some columns: many share one matrix product."""

    def columns(self) -> Array: ...  # (N, S)

    def combine(self, totals: Array) -> Array: ...  # (R,) from totals (R, S)


@dataclass(frozen=True, eq=False)
class Ratios:
    """A sum of ratios as a statistic: what a difference of the two kinds is made of."""

    num: Array  # (N, S)
    den: Array  # (N, S)
    smooth: bool = True

    def terms(self) -> Terms:
        """Numerators and denominators themselves."""
        return self.num, self.den

    def replicate(self, counts: Array) -> Array:
        """The sum of ratios (R,) of the resampled totals."""
        return self.combine(counts @ self.columns())

    def columns(self) -> Array:
        """Numerators and denominators (N, 2S)."""
        return np.hstack((self.num, self.den))

    def combine(self, totals: Array) -> Array:
        """The sum of ratios (R,) of totals (R, 2S)."""
        return sum_of_ratios(*np.split(totals, 2, axis=1))

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Ratios:
        """The sum of ratios of some of the stays."""
        return Ratios(self.num[index], self.den[index])


@dataclass(frozen=True, eq=False)
class Difference:
    """One statistic less another on the same stays."""

    one: Statistic
    other: Statistic

    @property
    def smooth(self) -> bool:
        """Whether both have a linearisation."""
        return self.one.smooth and self.other.smooth

    def terms(self) -> Terms:
        """Both beside each other, the second with its sign turned."""
        (num, den), (other, under) = self.one.terms(), self.other.terms()
        return np.hstack((num, -other)), np.hstack((den, under))

    def replicate(self, counts: Array) -> Array:
        """The difference (R,) in the same resamples."""
        return self.one.replicate(counts) - self.other.replicate(counts)

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Difference:
        """The difference on some of the stays."""
        return Difference(self.one.rows(index), self.other.rows(index))


def totalled(statistic: Statistic) -> tuple[Array, Combine] | None:
    """Columns (N, S), and the number as a function of their totals; None where more is needed."""
    if isinstance(statistic, Difference):
        one, other = totalled(statistic.one), totalled(statistic.other)
        if one is None or other is None:
            return None
        (mine, own), (yours, their), cut = one, other, one[0].shape[1]
        return np.hstack((mine, yours)), lambda totals: own(totals[:, :cut]) - their(totals[:, cut:])
    return (statistic.columns(), statistic.combine) if isinstance(statistic, Totalled) else None


def resample(statistic: Statistic, stays: int, cluster: Cluster | None, draws: int, seed: int) -> Array:
    """Bootstrap replicates (draws,) of a statistic of N stays, patients drawn whole: those of `resampling.counts`.

    Undefined, nan, where all stays are of one patient.
    """
    index = clusters(stays, cluster)
    if index.max() == 0:
        return np.full(draws, np.nan)
    found = []
    for block in counts(int(index.max()) + 1, draws, seed):
        found.append(replicate(statistic, block, index))
    return np.concatenate(found)


def replicate(statistic: Statistic, block: Array, index: npt.NDArray[np.int64]) -> Array:
    """Replicates (R,) in resamples that hold cluster k `block[r, k]` times; `index` (N,) the cluster of each stay."""
    rows = max(1, _BLOCK // len(index))
    parts = [block[start : start + rows] for start in range(0, len(block), rows)]
    return np.concatenate([statistic.replicate(part[:, index]) for part in parts])


def left_out(statistic: Statistic, stays: int, cluster: Cluster | None) -> Array:
    """The statistic (G,) without each of at most 200 groups of patients in turn: the grouped jackknife.

    Undefined, nan, where all stays are of one patient.
    """
    index = clusters(stays, cluster)
    size = int(index.max()) + 1
    if size == 1:
        return np.full(1, np.nan)
    groups = min(size, _GROUPS)
    group = np.random.default_rng(0).permutation(size) % groups
    return replicate(statistic, (group[None] != np.arange(groups)[:, None]).astype(np.float64), index)


def clusters(stays: int, cluster: Cluster | None) -> npt.NDArray[np.int64]:
    """Number (N,) of each stay's cluster, from 0; without clusters each stay is its own."""
    if cluster is None:
        return np.arange(stays)
    names, index = np.unique(cluster, return_inverse=True)
    return np.arange(stays) if len(names) == stays else index.astype(np.int64)
