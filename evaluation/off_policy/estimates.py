"""What every off-policy estimator returns: two arrays whose sums make the value, and everything that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from . import concentration, intervals
from .logged import Array, Numbers, array
from .resampling import Cluster, Combine, by_cluster, leave_one_out, replicates, shifted, sum_of_ratios
from .statistic import Difference, Ratios, Statistic, left_out, resample, totalled
from .verdict import MODEL_BASED, Thresholds, Verdict, disagreement, impossible, judge
from .weights import Weights

Method = Literal["bootstrap", "bca", "delta", "normal", "student_t", "hoeffding", "empirical_bernstein"]
_DEFAULT = Thresholds()
_ROUNDING = 1e-9  # of a gap that is none


@dataclass(frozen=True, eq=False)
class Estimate:
    """value = sum_s (sum_i num[i, s] / sum_i den[i, s]), over N stays.

    Numerators and denominators of a column share one arbitrary positive factor, chosen so that nothing overflows.
    With a `statistic` the value is still that sum, but what a resample is worth the statistic says.
    """

    name: str
    num: Array  # (N, S)
    den: Array  # (N, S)
    self_normalized: bool  # the denominator varies with the stays drawn
    weights: tuple[Weights, ...] = ()  # one; of a difference both; of a model-based estimate none
    cluster: Cluster | None = None  # (N,) the patient of each stay: resampled together
    statistic: Statistic | None = None  # how resamples are estimated where the value is no sum of ratios
    model_based: bool = False  # rests on a fitted model, whose own error no weight and no interval reveals
    bias: float | None = None  # estimated bias that the interval leaves out, in units of the value
    notes: tuple[str, ...] = ()  # what a reader must know beside the number: kernel, bandwidth, share clipped
    drawn: Array | None = None  # (R,) replicates in which the behaviour policy was fitted anew; they replace all others
    shifts: Array | None = None  # (K,) by how much refits of the behaviour policy move the value, around 0: `refits`
    gap: Estimate | None = None  # weighted less doubly robust, 0 under a right behaviour policy: `agreement`
    unchecked: bool = False  # the behaviour policy is fitted, and no critic says whether it is right
    possible: tuple[float, float] | None = None  # least and largest return of any stay, where known

    def __len__(self) -> int:
        return len(self.num)

    @cached_property
    def value(self) -> float:
        """The estimate, in units of the reward; not finite where no weight is left."""
        return float(sum_of_ratios(self.num.sum(0), self.den.sum(0)))

    @property
    def defined(self) -> bool:
        """Whether the data say anything: some weight is left at the end, and the value is a finite number."""
        return bool(np.isfinite(self.value)) and self.effective_sample_size > 0

    @property
    def weight(self) -> Array | None:
        """Cumulated weights (N, T), inf where they overflow; None for a difference or a model-based estimate."""
        if len(self.weights) != 1:
            return None
        with np.errstate(over="ignore"):
            return np.exp(self.weights[0].log)

    @property
    def effective_sample_size(self) -> float:
        """(sum w)^2 / sum w^2 of the final weights, in stays; N without weights; the smaller one of a difference."""
        return min((float(w.final.effective_sample_size()[-1]) for w in self.weights), default=float(len(self)))

    @property
    def effective_sample_sizes(self) -> Array:
        """The same at each decision time (T,); of a difference the smaller; empty without weights."""
        sizes = [w.effective_sample_size() for w in self.weights]
        return np.min(sizes, 0) if sizes else np.zeros(0)

    @property
    def mean_weight(self) -> float:
        """Mean final weight: 1 in expectation; of a difference the one farther from it; 1 without weights."""
        means = [float(w.final.mean()[-1]) for w in self.weights]
        return max(means, key=lambda m: abs(np.log(max(m, 1e-300))), default=1.0)

    @property
    def max_weight_share(self) -> float:
        """Share of the final weight held by the heaviest stay; of a difference the larger; 1 / N without weights."""
        return max((float(w.final.largest_share()[-1]) for w in self.weights), default=1 / len(self))

    @property
    def verdict(self) -> str:
        """One of "supported", "weak", "not evaluable" or "model-based", by the default thresholds."""
        return self.judged().label

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is no better, one sentence each."""
        return self.judged().reasons

    def judged(self, thresholds: Thresholds = _DEFAULT) -> Verdict:
        """Verdict and reasons under other thresholds."""
        found = judge(self.weights, self.cluster, self.value, thresholds, self._doubts(thresholds))
        if self.possible is not None and (text := impossible(self.value, *self.possible)):
            return Verdict("not evaluable", (text, *found.reasons))
        if self.model_based and found.label in ("supported", "weak"):
            return Verdict("model-based", (MODEL_BASED, *found.reasons))
        return found

    def _doubts(self, thresholds: Thresholds) -> list[tuple[int, str]]:
        if self.unchecked:
            return [(1, "no critic checks the fitted behaviour policy")]
        if self.gap is None or not self.gap.defined:
            return []
        num, den = (by_cluster(x, self.cluster) for x in (self.gap.num, self.gap.den))
        if abs(self.gap.value) <= _ROUNDING * max(1.0, abs(self.value)):  # as of the behaviour policy itself
            return []
        return disagreement(self.gap.value, intervals.standard_error(num, den), thresholds)

    def judged_by_decision(self, thresholds: Thresholds = _DEFAULT) -> tuple[Verdict, ...]:
        """The verdict (T,) of each decision time on its own: where data stop carrying the policy; () without weights.

        Of subgroups, ask `subset(rows).judged()`.
        """
        times = range(min((w.log.shape[1] for w in self.weights), default=0))
        return tuple(judge([w.at(t) for w in self.weights], self.cluster, 0.0, thresholds) for t in times)

    def replicate(self, counts: Numbers) -> Array:
        """The value (R,) in resamples that hold stay i `counts[r, i]` times; counts (R, N)."""
        times = array(counts)
        if self.statistic is not None:
            return self.statistic.replicate(times)
        return sum_of_ratios(times @ self.num, times @ self.den)

    def interval(
        self,
        level: float = 0.95,
        method: Method = "bootstrap",
        *,
        draws: int = 1000,
        seed: int = 0,
        cluster: Numbers | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> tuple[float, float]:
        """Two-sided confidence interval (low, high); `cluster` (N,) replaces the estimate's own patients.

        `value_range` (low, high) of the weighted terms is needed by hoeffding and empirical_bernstein, which are
        refused for self-normalised estimates. Unbounded where the data say nothing. ValueError for a bad argument.
        """
        if method not in get_args(Method):
            raise ValueError(f"unknown interval method {method!r}; expected one of {', '.join(get_args(Method))}")
        if not 0 < level < 1:
            raise ValueError(f"level: expected a number between 0 and 1, got {level}")
        if draws < 1:
            raise ValueError(f"draws: expected at least 1, got {draws}")
        groups = self.cluster if cluster is None else cluster_of(cluster, len(self))
        if method in ("hoeffding", "empirical_bernstein"):
            return self._concentration(level, method, groups, value_range)
        if not self.defined:
            return intervals.UNBOUNDED
        if method in ("delta", "student_t") and self.drawn is None:
            return self._linearised(level, method, groups)
        drawn = self.resampled(draws, seed, groups)
        if method == "bootstrap":
            return intervals.percentile(drawn, level)
        if method == "normal":
            return intervals.normal(self.value, drawn, level)
        return intervals.bias_corrected(self.value, self._left_out(groups), drawn, level)

    def _linearised(self, level: float, method: Method, groups: Cluster | None) -> tuple[float, float]:
        if self.statistic is not None and not self.statistic.smooth:
            raise ValueError(f"{method}: {self.name} has no linearisation; use bootstrap, normal or bca")
        interval = intervals.delta if method == "delta" else intervals.student_t
        num, den = by_cluster(self.num, groups), by_cluster(self.den, groups)
        more = 0.0 if self.shifts is None else float(self.shifts.std())
        return intervals.widened(interval(num, den, level), intervals.standard_error(num, den), more)

    def resampled(self, draws: int, seed: int = 0, cluster: Cluster | None = None) -> Array:
        """Bootstrap replicates (draws,), patients drawn whole; the same draws for every estimate on these stays."""
        if self.drawn is not None:
            return self.drawn
        groups = self.cluster if cluster is None else cluster
        part = self.totalled(groups)
        if part is not None:
            return shifted(replicates([part], draws, seed)[:, 0], self.shifts, seed)
        assert self.statistic is not None
        return shifted(resample(self.statistic, len(self), groups, draws, seed), self.shifts, seed)

    def totalled(self, cluster: Cluster | None = None) -> tuple[Array, Combine] | None:
        """Columns (K, S) by patient, and the value as a function of their totals; None where more is needed."""
        part = totalled(Ratios(self.num, self.den) if self.statistic is None else self.statistic)
        return None if part is None else (by_cluster(part[0], self.cluster if cluster is None else cluster), part[1])

    def _left_out(self, groups: Cluster | None) -> Array:
        if self.statistic is not None:
            return left_out(self.statistic, len(self), groups)
        return leave_one_out(by_cluster(self.num, groups), by_cluster(self.den, groups))

    def _concentration(
        self, level: float, method: Method, groups: Cluster | None, value_range: tuple[float, float] | None
    ) -> tuple[float, float]:
        if self.self_normalized or self.num.shape[1] != 1 or self.statistic is not None:
            raise ValueError(f"{method}: {self.name} is no plain mean of bounded terms; use bootstrap, bca or delta")
        if value_range is None:
            raise ValueError(f"{method}: expected value_range=(low, high) of the weighted terms, got None")
        if not np.isfinite(self.value):
            return intervals.UNBOUNDED
        terms = (self.num / self.den)[:, 0]
        bound = concentration.hoeffding if method == "hoeffding" else concentration.empirical_bernstein
        return bound(terms, groups, value_range, level)

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference from `other`, an estimate on the same stays; both meet the same resamples."""
        self.check_paired(other)
        return Estimate(
            name=f"{self.name} - {other.name}",
            num=np.concatenate((self.num, -other.num), 1),
            den=np.concatenate((self.den, other.den), 1),
            self_normalized=self.self_normalized or other.self_normalized,
            weights=self.weights + other.weights,
            cluster=self.cluster,
            statistic=_difference(self, other),
            model_based=any(e.model_based or not e.weights for e in (self, other)),
            bias=None if self.bias is None and other.bias is None else (self.bias or 0.0) - (other.bias or 0.0),
            notes=tuple(dict.fromkeys(self.notes + other.notes)),
            drawn=None if self.drawn is None or other.drawn is None else self.drawn - other.drawn,
            shifts=_less(self.shifts, other.shifts),
            gap=self.gap if other.gap is None else other.gap if self.gap is None else self.gap.minus(other.gap),
            unchecked=self.unchecked or other.unchecked,
        )

    def check_paired(self, other: Estimate) -> None:
        """ValueError unless both stand on the same stays of the same patients."""
        if len(self) != len(other) or not _same(self.cluster, other.cluster):
            raise ValueError(
                f"expected estimates on the same stays of the same patients, got {len(self)} stays in {self.name} "
                f"and {len(other)} in {other.name}, or other patients; estimate both on the same decisions"
            )

    def subset(self, rows: Numbers) -> Estimate:
        """The estimate on some stays: `rows` a mask (N,) bool or indices; ValueError if none is left.

        The error of the behaviour policy, where known, is taken to be that of all stays.
        """
        index = np.asarray(array(rows), dtype=bool if _is_mask(rows) else np.int64)
        if (index.dtype == bool and index.shape != (len(self),)) or not len(np.arange(len(self))[index]):
            raise ValueError(f"subset: expected a mask ({len(self)},) or indices of at least one stay")
        statistic = None if self.statistic is None else self.statistic.rows(index)
        num, den = (self.num[index], self.den[index]) if statistic is None else statistic.terms()
        return replace(
            self,
            num=num,
            den=den,
            weights=tuple(w.rows(index) for w in self.weights),
            cluster=None if self.cluster is None else self.cluster[index],
            statistic=statistic,
            drawn=None,
            gap=None if self.gap is None else self.gap.subset(rows),
        )


def cluster_of(cluster: Numbers, stays: int) -> Cluster:
    """Patient numbers (N,) int64; ValueError for another shape."""
    groups = array(cluster)
    if groups.shape != (stays,):
        raise ValueError(f"cluster: expected shape ({stays},), got {groups.shape}")
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _difference(one: Estimate, other: Estimate) -> Statistic | None:
    if one.statistic is None and other.statistic is None:
        return None
    first, second = (Ratios(e.num, e.den) if e.statistic is None else e.statistic for e in (one, other))
    return Difference(first, second)


def _less(one: Array | None, other: Array | None) -> Array | None:
    """The difference (K,) of what the same refits do to two estimates, one of which they may not touch."""
    if one is None or other is None:
        return one if other is None else -other
    return one - other


def _same(a: Cluster | None, b: Cluster | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and bool(np.array_equal(a, b)))


def _is_mask(rows: Numbers) -> bool:
    return "bool" in str(np.asarray(rows).dtype)
