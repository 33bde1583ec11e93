"""Cumulated importance weights and what they say about an estimate's footing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .logged import Array, Logged, Mask, blocks
from .resampling import Cluster, by_cluster

RARE = 0.01  # a propensity below this is hard to learn and gives ratios that dominate

_LARGEST = 600.0  # logarithm of the largest weight left as it is: sums and products with returns stay finite


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of N stays at T decision times, kept as logarithms, because their products overflow."""

    log: Array  # (N, T) cumulated up to and including t; an ended stay carries its last; -inf: no weight
    mask: Mask  # (N, T)
    rare: Mask | None = None  # (N, T) the logged action had a propensity below RARE
    excess: Array | None = None  # (N, T) target beyond behaviour probability on actions of propensity below RARE

    @classmethod
    def of(cls, data: Logged) -> Weights:
        """The weights of logged stays, nothing yet known about the actions not taken."""
        return cls(data.log_weight, data.mask)

    @property
    def final(self) -> Weights:
        """The weights at the last decision time alone (N, 1)."""
        return self.at(-1)

    def at(self, decision: int) -> Weights:
        """The weights at one decision time alone (N, 1)."""
        column = np.array([decision])
        rare, excess = self.rare, self.excess
        return Weights(
            self.log[:, column],
            self.mask[:, column],
            None if rare is None else rare[:, column],
            None if excess is None else excess[:, column],
        )

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Weights:
        """The weights of some of the stays."""
        rare, excess = self.rare, self.excess
        return replace(
            self,
            log=self.log[index],
            mask=self.mask[index],
            rare=None if rare is None else rare[index],
            excess=None if excess is None else excess[index],
        )

    def effective_sample_size(self, cluster: Cluster | None = None) -> Array:
        """(sum w)^2 / sum w^2 at each decision time (T,), over clusters if given; 0 where no weight is left.

        Kish (1965): the number of equally weighted stays that would be as informative.
        """
        scaled = by_cluster(scale(self.log)[0], cluster)
        squares = (scaled**2).sum(0)
        return np.asarray(np.divide(scaled.sum(0) ** 2, squares, out=np.zeros(len(squares)), where=squares > 0))

    def mean(self) -> Array:
        """Mean weight at each decision time (T,): 1 in expectation under a right behaviour policy."""
        scaled, shift = scale(self.log)
        with np.errstate(over="ignore"):
            return np.asarray(scaled.mean(0) * np.exp(shift))

    def largest_share(self, cluster: Cluster | None = None) -> Array:
        """Share of all weight at each decision time (T,) held by one stay, or cluster; 1 where none is left."""
        scaled = by_cluster(scale(self.log)[0], cluster)
        total = scaled.sum(0)
        return np.asarray(np.divide(scaled.max(0), total, out=np.ones(len(total)), where=total > 0))

    @property
    def rare_share(self) -> float | None:
        """Share of logged decisions whose action had a propensity below RARE."""
        return None if self.rare is None else float(self.rare.sum() / max(1, self.mask.sum()))

    @property
    def excess_share(self) -> float | None:
        """Mean over logged decisions of the target's excess probability on actions of propensity below RARE."""
        return None if self.excess is None else float(self.excess.sum() / max(1, self.mask.sum()))


def scale(log: Array) -> tuple[Array, Array]:
    """Weights (N, T) divided by the largest of their column, and the logarithm (T,) of that divisor."""
    top = log.max(0)
    shift = np.where(np.isfinite(top), top, 0.0)
    return np.exp(log - shift), shift


def bounded(log: Array) -> tuple[Array, Array]:
    """Weights (N, T), and what stands for one beside them (N, 1): both are scaled down only where they overflow."""
    shift = max(0.0, float(log.max()) - _LARGEST)
    return np.exp(log - shift), np.full((len(log), 1), np.exp(-shift))


def weighted_sums(log: Array, terms: Callable[[slice], Array]) -> tuple[Array, Array]:
    """Sums over decisions of weight times term (N, 1), and what stands for one, as `bounded`; `terms` of some stays."""
    shift = max(0.0, float(log.max()) - _LARGEST)
    found = np.empty((len(log), 1))
    for rows in blocks(len(log)):
        weight = np.exp(log[rows] - shift) if shift else np.exp(log[rows])
        found[rows, 0] = np.einsum("nt,nt->n", weight, terms(rows))
    return found, np.full((len(log), 1), np.exp(-shift))


def carried(log: Array, mask: Mask) -> Array:
    """Logarithms (N, T) of weights that stand alone, an ended stay carrying its last; 0 for one without decisions."""
    last = np.minimum(np.arange(mask.shape[1]), mask.sum(1, keepdims=True) - 1)
    return np.asarray(np.where(last < 0, 0.0, np.take_along_axis(log, np.maximum(last, 0), 1)))
