"""Cumulated importance weights and what they say about an estimate's footing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from .logged import Array, Logged, Mask, blocks
from .resampling import Cluster, alone, by_cluster

RARE = 0.01  # a propensity below this is hard to learn and gives ratios that dominate

LARGEST = np.exp(600.0)  # weight left as it is: sums and products with returns stay finite


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of N stays at T decision times, kept as logarithms, because their products overflow."""

    source: Array | Logged  # the logarithms (N, T), or the stays whose ratios are cumulated when first asked for
    mask: Mask  # (N, T)
    rare: Mask | None = None  # (N, T) the logged action had a propensity below RARE
    excess: Array | None = None  # (N, T) target beyond behaviour probability on actions of propensity below RARE

    @classmethod
    def of(cls, data: Logged) -> Weights:
        """The weights of logged stays, nothing yet known about the actions not taken."""
        return cls(data, data.mask)

    @property
    def log(self) -> Array:
        """Logarithms (N, T), cumulated up to and including t; an ended stay carries its last; -inf: no weight."""
        return self.source.log_weight if isinstance(self.source, Logged) else self.source

    @property
    def final(self) -> Weights:
        """The weights at the last decision time alone (N, 1)."""
        if isinstance(self.source, Logged):  # one sum is less than all of them
            return self._column(self.source.log_total[:, None], -1)
        return self.at(-1)

    def at(self, decision: int) -> Weights:
        """The weights at one decision time alone (N, 1)."""
        return self._column(self.log[:, [decision]], decision)

    def _column(self, log: Array, decision: int) -> Weights:
        rare = None if self.rare is None else self.rare[:, [decision]]
        excess = None if self.excess is None else self.excess[:, [decision]]
        return Weights(log, self.mask[:, [decision]], rare, excess)

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Weights:
        """The weights of some of the stays."""
        rare, excess = self.rare, self.excess
        return replace(
            self,
            source=self.log[index],
            mask=self.mask[index],
            rare=None if rare is None else rare[index],
            excess=None if excess is None else excess[index],
        )

    def effective_sample_size(self, cluster: Cluster | None = None) -> Array:
        """(sum w)^2 / sum w^2 at each decision time (T,), over clusters if given; 0 where no weight is left.

        Kish (1965): the number of equally weighted stays that would be as informative.
        """
        return self.sums(cluster).effective_sample_size()

    def mean(self) -> Array:
        """Mean weight at each decision time (T,): 1 in expectation under a right behaviour policy."""
        with np.errstate(over="ignore"):
            return np.asarray(self._own.total / len(self.mask) * np.exp(self._own.shift))

    def largest_share(self, cluster: Cluster | None = None) -> Array:
        """Share of all weight at each decision time (T,) held by one stay, or cluster; 1 where none is left."""
        return self.sums(cluster).largest_share()

    @cached_property
    def _own(self) -> Sums:
        return Sums.of(self.log, None)

    def sums(self, cluster: Cluster | None = None) -> Sums:
        """From which the two above follow, at once."""
        return self._own if alone(cluster) else Sums.of(self.log, cluster)

    @property
    def rare_share(self) -> float | None:
        """Share of logged decisions whose action had a propensity below RARE."""
        return None if self.rare is None else float(self.rare.sum() / max(1, self.mask.sum()))

    @property
    def excess_share(self) -> float | None:
        """Mean over logged decisions of the target's excess probability on actions of propensity below RARE."""
        return None if self.excess is None else float(self.excess.sum() / max(1, self.mask.sum()))


@dataclass(frozen=True, eq=False)
class Sums:
    """What the weights of each decision time add up to, all divided by the largest weight of a stay."""

    total: Array  # (T,)
    squares: Array  # (T,) of clusters
    largest: Array  # (T,) of clusters
    shift: Array  # (T,) logarithm of the divisor

    @classmethod
    def of(cls, log: Array, cluster: Cluster | None) -> Sums:
        """The sums of weights (N, T) given as logarithms, by blocks unless clusters must be put together first."""
        shift = divisor(log)
        parts = (part for _, part in scaled(log, shift)) if alone(cluster) else [by_cluster(scale(log)[0], cluster)]
        sums = [(part.sum(0), (part * part).sum(0), part.amax(0)) for part in map(torch.as_tensor, parts)]
        total, squares, largest = (torch.stack(column) for column in zip(*sums, strict=True))
        return cls(total.sum(0).numpy(), squares.sum(0).numpy(), largest.amax(0).numpy(), shift)

    def effective_sample_size(self) -> Array:
        """See `Weights`."""
        return np.divide(self.total**2, self.squares, out=np.zeros(len(self.total)), where=self.squares > 0)

    def largest_share(self) -> Array:
        """See `Weights`."""
        return np.divide(self.largest, self.total, out=np.ones(len(self.total)), where=self.total > 0)


def divisor(log: Array) -> Array:
    """Logarithm (T,) of the largest weight of each column of (N, T); 0 where no weight is left."""
    return finite(np.maximum.reduce([torch.from_numpy(log[rows]).amax(0).numpy() for rows in blocks(*log.shape)]))


def finite(top: Array) -> Array:
    """The numbers, 0 for those that are not finite."""
    return np.where(np.isfinite(top), top, 0.0)


def scaled(log: Array, shift: Array) -> Iterator[tuple[slice, Array]]:
    """Weights (N, T) divided by e^`shift` (T,), block after block (B, T)."""
    given, less = torch.from_numpy(log), torch.from_numpy(shift)
    for rows in blocks(*log.shape):
        yield rows, torch.sub(given[rows], less).exp_().numpy()


def scale(log: Array) -> tuple[Array, Array]:
    """Weights (N, T) divided by the largest of their column, and the logarithm (T,) of that divisor."""
    found, shift = np.empty(log.shape), divisor(log)
    for rows, part in scaled(log, shift):
        found[rows] = part
    return found, shift


def bounded(log: Array) -> tuple[Array, Array]:
    """Weights (N, T), and what stands for one beside them (N, 1): both are scaled down only where they overflow."""
    shift = max(0.0, float(log.max()) - float(np.log(LARGEST)))
    return np.exp(log - shift), np.full((len(log), 1), np.exp(-shift))


def carried(log: Array, mask: Mask) -> Array:
    """Logarithms (N, T) of weights that stand alone, an ended stay carrying its last; 0 for one without decisions."""
    last = np.minimum(np.arange(mask.shape[1]), mask.sum(1, keepdims=True) - 1)
    return np.asarray(np.where(last < 0, 0.0, np.take_along_axis(log, np.maximum(last, 0), 1)))
