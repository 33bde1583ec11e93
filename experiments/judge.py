"""Judging policies: estimates on held-out stays, the claim of the simulator, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from ..agents.support import unsupported_share
from ..contracts import Blend, Decisions, DiscretePolicy, PatientState, Progress, Treatment, silent
from ..evaluation import Estimate, estimate
from ..evaluation.alike import alike, difference_with_width, with_width
from ..evaluation.anchored import anchored
from ..evaluation.heatmap import heat_map
from ..evaluation.off_policy import CriticConfig, bootstrap_intervals, fitted_q_evaluation
from ..evaluation.off_policy.logged import Array
from ..evaluation.report import SIMULATED, ConstraintReport, EstimateReport, Interval, PolicyReport
from ..evaluation.safety import ViolationRate, rates_of_counts, violation_rates
from ..evaluation.tail_risk import worst_mean
from ..evaluation.true_value import Value, mean_interval, rollout_value, value_difference
from .config import EvaluationConfig
from .judged import Actor, Judged
from .learners import acts_by
from .simulated_estimate import simulated_estimate

WITH_CRITIC = ("direct_method", "doubly_robust", "weighted_doubly_robust", "magic")


@dataclass(frozen=True)
class Bench:
    """Where policies are judged."""

    held_out: Decisions
    costs: Tensor  # (N, T, J) of the logged doses
    behavior: DiscretePolicy
    simulator: Treatment
    truth: Treatment | None
    config: EvaluationConfig
    reward_range: tuple[float, float] | None  # of an undiscounted stay: worst, best
    seed: int  # of the first simulated patient; the same for every policy
    train: Decisions | None = None  # on which critics are fitted; by cross-fitting on the held-out stays without
    second: Treatment | None = None  # a simulator in which no policy was trained
    observed: Array | None = None  # (N,) returns of the stays learned from, to which its word is tied
    shaped: Treatment | None = None  # the simulator with the reward that policies learned by, where it was shaped
    first: PatientState | None = None  # first states of the held-out stays, as the simulator takes them up
    died: Array | None = None  # (N,) bool, of the held-out stays, within the horizon
    refits: tuple[DiscretePolicy, ...] = ()  # the behaviour policy, fitted to resampled patients
    critic_sees: tuple[Tensor, Tensor] | None = None  # of held-out and training stays (N, T+1, F), not observations
    doses: Bench | None = None  # the same with treatments of continuous doses, where a policy gives those

    @property
    def returns(self) -> tuple[float, float] | None:
        """Least and largest discounted return of any stay."""
        if self.reward_range is None or self.config.discount == 1:
            return self.reward_range
        return min(0.0, self.reward_range[0]), max(0.0, self.reward_range[1])

    def of(self, actor: Actor | None) -> Bench:
        """The bench whose treatments take an actor's actions."""
        return self if self.doses is None or acts_by(actor) == "levels" else self.doses


@dataclass(frozen=True)
class Verdicts:
    """What judging found, by policy."""

    policies: dict[str, PolicyReport] = field(default_factory=dict)
    estimates: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    true_values: dict[str, Value] = field(default_factory=dict)
    simulated: dict[str, Value] = field(default_factory=dict)  # in the truth, else the learned simulator


def judge(everyone: list[Judged], bench: Bench, progress: Progress = silent) -> Verdicts:
    """Judge everyone on the same held-out stays and the same simulated patients (common random numbers)."""
    found = Verdicts()
    base = _value(bench.second, bench.behavior, bench, bench.config.simulator_stays)
    for number, one in enumerate(everyone):
        progress(number / len(everyone), one.label)
        if one.target is not None:
            found.estimates[one.name] = estimates_of(one.target, bench) | _simulated(one, bench)
        claimed = _value(bench.of(one.simulated).simulator, one.simulated, bench, bench.config.simulator_stays)
        true = _value(bench.of(one.true).truth, one.true, bench, bench.config.true_stays)
        if true is not None:
            found.true_values[one.name] = true
        if (told := true or claimed) is not None:
            found.simulated[one.name] = told
        found.policies[one.name] = _report(one, bench, found, claimed, _second(one, bench, base))
    progress(1.0, "done")
    return found


def estimates_of(target: DiscretePolicy | Blend, bench: Bench) -> dict[str, Estimate]:
    """Off-policy estimates of one policy on the held-out stays: those of the config, and with a critic its own."""
    names, config = list(bench.config.estimators), bench.config
    q = v = None
    if config.critic != "none":
        settings = CriticConfig(kind=config.critic)
        critic = fitted_q_evaluation(
            bench.held_out, target, discount=config.discount, train=bench.train, behavior=bench.behavior,
            features=bench.critic_sees, config=settings,
        )  # fmt: skip
        q, v = critic.q, critic.v
        names += [name for name in WITH_CRITIC if name not in names]
    found = estimate(
        bench.held_out, target, bench.behavior, names, discount=config.discount, q=q, v=v, refits=bench.refits
    )
    return {name: replace(one, possible=bench.returns) for name, one in found.items()}


def _simulated(one: Judged, bench: Bench) -> dict[str, Estimate]:
    """The simulator's own word on the held-out patients, as one more estimate."""
    if one.simulated is None or bench.first is None:
        return {}
    place, discount = bench.of(one.simulated).simulator, bench.config.discount
    told = simulated_estimate(place, one.simulated, bench.first, bench.held_out, discount=discount, seed=bench.seed)
    return {SIMULATED: told}


def value_in(treatment: Treatment | None, actor: Actor, bench: Bench, stays: int) -> float | None:
    """Mean return of an actor in a treatment, on the patients that every policy meets there."""
    value = _value(treatment, actor, bench, stays)
    return None if value is None else value.value


def _value(treatment: Treatment | None, actor: Actor | None, bench: Bench, stays: int) -> Value | None:
    if treatment is None or actor is None:
        return None
    config = bench.config
    return rollout_value(treatment, actor, stays, bench.seed, discount=config.discount, level=config.level)


def _report(one: Judged, bench: Bench, found: Verdicts, claimed: Value | None, second: Interval | None) -> PolicyReport:
    true, estimates = found.true_values.get(one.name), found.estimates.get(one.name, {})
    base = found.true_values.get("clinician")
    shaped = _value(bench.of(one.simulated).shaped, one.simulated, bench, bench.config.simulator_stays)
    gap = None if true is None or base is None else value_difference(true, base, level=bench.config.level)
    levels = tuple(len(drug.levels) for drug in bench.simulator.spec.drugs)
    seen = None if one.target is None else heat_map(bench.held_out, one.target, levels, base=bench.behavior)
    grid = None if seen is None else (seen.clinician if one.kind == "clinician" else seen.policy)
    return PolicyReport(
        label=one.label,
        kind=one.kind,
        description=one.description,
        estimates=estimate_reports(estimates, found.estimates.get("clinician", {}), bench.config, true),
        observed_value=_observed(bench) if one.kind == "clinician" else None,
        simulator_value=_interval(claimed),
        shaped_value=_interval(shaped),
        true_value=_interval(true),
        true_difference=None if gap is None else Interval(value=gap[0], low=gap[1], high=gap[2]),
        worst_tenth=_worst(true or claimed, bench.config.level),
        constraints=_constraints(one, bench, claimed, true),
        actions=() if grid is None else tuple(tuple(map(float, row)) for row in np.atleast_2d(grid)),
        agreement=None if seen is None or one.kind == "clinician" else seen.agreement,
        kappa=None if seen is None or one.kind == "clinician" else seen.kappa,
        unsupported=None if one.target is None else _unsupported(one.target, bench),
        base=one.base,
        share=one.share,
        second_value=second,
    )


def _worst(value: Value | None, level: float) -> Interval | None:
    """Mean return of the worst tenth of the stays that a policy was rolled out on."""
    if value is None:
        return None
    mean, low, high = worst_mean(value.returns, level=level)
    return Interval(value=mean, low=low, high=high)


def _second(one: Judged, bench: Bench, base: Value | None) -> Interval | None:
    """What the second simulator says of a policy's gain over the fitted clinician, on top of what was observed."""
    value = _value(bench.of(one.simulated).second, one.simulated, bench, bench.config.simulator_stays)
    if value is None or base is None or bench.observed is None:
        return None
    found, low, high = anchored(value, base, bench.observed, level=bench.config.level)
    return Interval(value=found, low=low, high=high)


def estimate_reports(
    estimates: Mapping[str, Estimate], clinician: Mapping[str, Estimate], config: EvaluationConfig, true: Value | None
) -> dict[str, EstimateReport]:
    """Estimates of one policy by estimator, with all that tells how far each can be believed."""
    bounds = bootstrap_intervals(estimates, config.level, draws=config.draws)
    gaps = {name: e.minus(clinician[name]) for name, e in estimates.items() if clinician and e is not clinician[name]}
    gap_bounds = bootstrap_intervals(gaps, config.level, draws=config.draws) if gaps else {}
    gap_bounds = {
        n: difference_with_width(estimates[n], clinician[n], bound, config.level) for n, bound in gap_bounds.items()
    }
    own = estimates.get(SIMULATED)
    apart = {} if own is None else {name: own.minus(e) for name, e in estimates.items() if e is not own}
    apart_bounds = bootstrap_intervals(apart, config.level, draws=config.draws) if apart else {}
    reports = {}
    for name, e in estimates.items():
        low, high = with_width(e, bounds[name], config.level)
        gap = gaps.get(name)
        judged = e.judged()
        reports[name] = EstimateReport(
            value=e.value,
            low=low,
            high=high,
            effective_sample_size=e.effective_sample_size,
            mean_weight=e.mean_weight,
            verdict=judged.label,
            max_weight_share=e.max_weight_share,
            reasons=judged.reasons,
            difference=_between(gap, gap_bounds.get(name)),
            error=None if true is None else e.value - true.value,
            covered=None if true is None else low <= true.value <= high,
            weighted_stays=weighted_stays(e),
            effective_sample_sizes=tuple(map(float, e.effective_sample_sizes)),
            verdicts=tuple(verdict.label for verdict in e.judged_by_decision()),
            simulator_gap=_between(apart.get(name), apart_bounds.get(name)),
        )
    return reports


def _between(gap: Estimate | None, bounds: tuple[float, float] | None) -> Interval | None:
    """A difference of estimates with its interval."""
    return None if gap is None or bounds is None else Interval(value=gap.value, low=bounds[0], high=bounds[1])


def weighted_stays(estimate: Estimate) -> int | None:
    """Stays that keep any weight at the end; None without weights."""
    return int(np.isfinite(estimate.weights[0].log[:, -1]).sum()) if len(estimate.weights) == 1 else None


def _constraints(one: Judged, bench: Bench, claimed: Value | None, true: Value | None) -> dict[str, ConstraintReport]:
    """Violations where they are best known: of clinicians in the record, of others in the truth or the simulator."""
    limits = bench.simulator.constraints
    if one.kind == "clinician":
        rates = violation_rates(bench.costs, bench.held_out.mask, limits, cluster=bench.held_out.subject)
        return _rates(rates, "held-out records")
    value = true or claimed
    if value is None:
        return {}
    rates = rates_of_counts(value.broken, value.decisions, limits)
    return _rates(rates, "known truth" if true is not None else "learned simulator")


def _rates(rates: Mapping[str, ViolationRate], where: str) -> dict[str, ConstraintReport]:
    return {
        name: ConstraintReport(
            rate=r.rate,
            low=r.low,
            high=r.high,
            limit=r.limit,
            unit=r.unit,
            label=name[:1].upper() + name[1:] if r.limit == 0 else f"{name}: over {r.limit:g} {r.unit}",
            measured_in=where,
        )
        for name, r in rates.items()
    }


def _unsupported(target: DiscretePolicy | Blend, bench: Bench) -> float:
    if not isinstance(target, Blend):
        return unsupported_share(bench.held_out, target, bench.behavior)
    parts = [p for p in (target.policy, target.base) if isinstance(p, DiscretePolicy)]
    assert len(parts) == 2
    ours, theirs = (unsupported_share(bench.held_out, p, bench.behavior) for p in parts)
    return target.share * ours + (1 - target.share) * theirs


def _observed(bench: Bench) -> Interval:
    """Mean return of the held-out stays; where all fared alike, exact bounds over patients instead of no width."""
    returns = bench.held_out.reward.sum(1).double().numpy()
    value, (low, high) = float(returns.mean()), mean_interval(returns, bench.config.level)
    if returns.min() == returns.max() and bench.reward_range is not None:
        low, high = alike(value, len(set(bench.held_out.subject.tolist())), bench.reward_range, bench.config.level)
    return Interval(value=value, low=low, high=high)


def _interval(value: Value | None) -> Interval | None:
    return None if value is None else Interval(value=value.value, low=value.low, high=value.high)
