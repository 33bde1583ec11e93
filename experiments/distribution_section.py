"""How stays differ under each policy of a run: its worst, usual and best, from held-out records and where simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..contracts import Blend, DiscretePolicy
from ..evaluation import Estimate
from ..evaluation.off_policy import ReturnDistribution, Thresholds
from ..evaluation.off_policy.logged import Array, logged
from ..evaluation.off_policy.ratios import behavior_log_prob, log_ratio
from ..evaluation.off_policy.refits import with_shifts
from ..evaluation.off_policy.verdict import ORDER
from ..evaluation.off_policy.weights import Weights, scale
from ..evaluation.report import Interval
from ..evaluation.report_distribution import MEASURES, DistributionReport, Estimated, Measure
from ..evaluation.spread import Bounds, deviation, quantile, share
from ..evaluation.tail_risk import WORST
from ..evaluation.true_value import Value
from .judge import Bench, Verdicts
from .judged import Judged
from .subgroups import PRIMARY

QUANTILES: dict[Measure, float] = {"tenth": 0.1, "median": 0.5, "ninetieth": 0.9}
FEWEST = 10  # deaths among the held-out stays, below which nothing is said of mortality


@dataclass(frozen=True, eq=False)
class _Behaviors:
    """What the fitted clinician, and each refit of it, thinks of the logged actions."""

    bench: Bench
    fitted: Array  # (N, T) log-probability
    refits: tuple[Array, ...]
    known: dict[int, Array] = field(default_factory=dict)  # log-probability (N, T) under a policy, by its identity

    @classmethod
    def of(cls, bench: Bench) -> _Behaviors:
        found = [behavior_log_prob(bench.held_out, one) for one in (bench.behavior, *bench.refits)]
        return cls(bench, found[0], tuple(found[1:]))

    def log_weights(self, target: DiscretePolicy | Blend) -> list[Array]:
        """Cumulated log ratios (N, T) under each refit; a blend is into the refitted clinician."""
        bench, mask = self.bench, self.bench.held_out.mask.numpy()
        if target is bench.behavior:
            return [np.zeros(mask.shape) for _ in self.refits]
        policy, part = (target.policy, target.share) if isinstance(target, Blend) else (target, 1.0)
        if id(policy) not in self.known:
            self.known[id(policy)] = log_ratio(bench.held_out, policy, bench.behavior) + self.fitted
        ratios = [self.known[id(policy)] - theirs for theirs in self.refits]
        if part < 1:
            ratios = [np.logaddexp(np.log(part) + ratio, np.log1p(-part)) for ratio in ratios]
        return [np.cumsum(np.where(mask, ratio, 0.0), 1) for ratio in ratios]


def distribution_reports(everyone: Sequence[Judged], bench: Bench, found: Verdicts) -> dict[str, DistributionReport]:
    """By policy; measures without a number are left out."""
    reports, behaviors = {}, _Behaviors.of(bench)
    where = "known truth" if bench.truth is not None else "learned simulator"
    deadly = any(value.died is not None and value.died.any() for value in found.simulated.values())
    for one in everyone:
        own, value = found.estimates.get(one.name, {}).get(PRIMARY), found.simulated.get(one.name)
        reports[one.name] = DistributionReport(
            estimated={} if own is None or one.target is None else _estimated(one.target, own, behaviors),
            simulated={}
            if value is None
            else _simulated(value, found.policies[one.name].worst_tenth, bench.config.level, deadly),
            measured_in="" if value is None else where,
        )
    return reports


def _simulated(value: Value, worst: Interval | None, level: float, deadly: bool) -> dict[Measure, Interval]:
    """The measures of stays that were rolled out; `deadly` where anybody died under any policy."""
    found: dict[Measure, Bounds] = {name: quantile(value.returns, p, level=level) for name, p in QUANTILES.items()}
    found["deviation"] = deviation(value.returns, level=level)
    if deadly and value.died is not None:
        found["mortality"] = share(value.died, level=level)
    told = {name: Interval(value=v, low=low, high=high) for name, (v, low, high) in found.items()}
    return told if worst is None else {"worst_tenth": worst, **told}


def _estimated(target: DiscretePolicy | Blend, own: Estimate, behaviors: _Behaviors) -> dict[Measure, Estimated]:
    """The measures from records, their intervals with the error of the fitted clinician."""
    if not own.defined:
        return {}
    bench, held = behaviors.bench, behaviors.bench.held_out
    returns = logged(held.reward, np.zeros(held.mask.shape), held.mask, bench.config.discount).returns
    measured = _measures(returns, own.weights[0], bench.died)
    if bench.refits:
        anew = [replace(own.weights[0], source=log) for log in behaviors.log_weights(target)]
        measured = with_shifts(measured, [_measures(returns, weights, bench.died) for weights in anew])
    same = {name: getattr(own, name) for name in ("weights", "cluster", "gap", "unchecked")}
    alike = {name: replace(estimate, **same) for name, estimate in measured.items()}
    return {name: _told(name, alike, returns, bench) for name in MEASURES if name in alike}


def _measures(returns: Array, weights: Weights, died: Array | None) -> dict[str, Estimate]:
    spread = ReturnDistribution(returns, scale(weights.log[:, -1:])[0][:, 0], weights)
    found = {"worst_tenth": spread.cvar(WORST), "deviation": spread.variance()}
    found |= {name: spread.quantile(p) for name, p in QUANTILES.items()}
    return found if died is None or died.sum() < FEWEST else {**found, "mortality": spread.probability(died)}


def _told(name: Measure, measured: Mapping[str, Estimate], returns: Array, bench: Bench) -> Estimated:
    """One measure with the verdict of its weights; a tail must have an effective sample of its own."""
    estimate = measured[name]
    ends = np.array([estimate.value, *estimate.interval(bench.config.level, draws=bench.config.draws)])
    if name in ("deviation", "mortality"):  # a variance, and a probability
        ends = np.sqrt(np.maximum(ends, 0.0)) if name == "deviation" else np.clip(ends, 0.0, 1.0)
    value, low, high = map(float, ends)
    label, least = estimate.judged().label, Thresholds().effective_sample_size
    reasons: tuple[str, ...] = ()
    if name in ("worst_tenth", "tenth", "ninetieth"):
        beyond = returns >= value if name == "ninetieth" else returns <= measured["tenth"].value
        patients = None if estimate.cluster is None else estimate.cluster[beyond]
        size = float(estimate.weights[0].final.rows(beyond).effective_sample_size(patients)[0])
        grade = max(ORDER.index(label) if label in ORDER else 0, int(size < least[0]) + int(size < least[1]))
        reasons = (f"that tail is an effective sample of {size:.0f} patients",) if size < least[0] else ()
        label = ORDER[grade]
    return Estimated(value=value, low=low, high=high, verdict=label, reasons=reasons)
