"""How strong a hidden cause of the first dose would have to be to undo what a run claims, for its report."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..contracts import Blend, Decisions, DiscretePolicy
from ..evaluation import Estimate
from ..evaluation.off_policy import Choice, Sensitivity, confounded_decision, marginal_sensitivity
from ..evaluation.off_policy.confounded_decision import basis_of
from ..evaluation.off_policy.intervals import percentile
from ..evaluation.off_policy.ratios import behavior_log_prob, log_ratio, target_probs
from ..evaluation.off_policy.sensitivity import MOST
from ..evaluation.report import PolicyReport
from ..evaluation.report_sensitivity import GammaCurve, GammaPoint, PolicySensitivity, Role, SensitivityReport
from ..trajectories.sited import here
from .judge import Bench, Verdicts
from .judged import Judged
from .known_causes import known_causes
from .subgroups import PRIMARY

GAMMAS = (1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
FIRST = 0  # the decision in doubt
_LARGEST = 10**8  # numbers in the features of a single decision: 0.8 GB


def sensitivity_report(
    everyone: Sequence[Judged], bench: Bench, found: Verdicts, *, hidden: float | None = None
) -> SensitivityReport | None:
    """The chosen policy and the boldest blend that the records carry; None without estimates to bound.

    `hidden` is how strongly the doses of a simulated cohort follow what its record does not show.
    """
    clinicians = found.estimates.get("clinician", {}).get(PRIMARY)
    if clinicians is None:
        return None
    chosen = next((one for one in everyone if one.kind == "penalised"), None)
    roles: list[tuple[Role, Judged | None]] = [("chosen", chosen), ("boldest", boldest_blend(everyone, found.policies))]
    policies = tuple(
        _policy(one, role, bench, found.estimates[one.name][PRIMARY], clinicians)
        for role, one in roles
        if one is not None and one.target is not None and PRIMARY in found.estimates.get(one.name, {})
    )
    return SensitivityReport(
        clinicians=clinicians.value,
        policies=policies,
        known=known_causes(bench.held_out, bench.behavior, bench.simulator.spec, decision=FIRST),
        decision=FIRST,
        most=MOST,
        hidden=hidden,
    )


def boldest_blend(everyone: Sequence[Judged], reports: dict[str, PolicyReport]) -> Judged | None:
    """The blend of the largest share whose estimate is supported, or else weak; None where the records carry none."""
    for verdict in ("supported", "weak"):
        carried = [one for one in everyone if one.kind == "blend" and _verdict(reports.get(one.name)) == verdict]
        if carried:
            return max(carried, key=lambda one: one.share or 0.0)
    return None


def _verdict(report: PolicyReport | None) -> str:
    estimate = None if report is None else report.estimates.get(PRIMARY)
    return "" if estimate is None else estimate.verdict


def _policy(one: Judged, role: Role, bench: Bench, own: Estimate, clinicians: Estimate) -> PolicySensitivity:
    assert one.target is not None
    kept = 1 - one.target.share if isinstance(one.target, Blend) else 0.0
    if not own.defined:
        empty = GammaCurve(verdict="not evaluable", reasons=own.reasons)
        return PolicySensitivity(policy=one.name, role=role, kept=kept, marginal=empty)
    held, config = bench.held_out, bench.config
    ratio, log_b = log_ratio(held, one.target, bench.behavior), behavior_log_prob(held, bench.behavior)
    marginal = marginal_sensitivity(
        held.reward, ratio, log_b, held.mask,
        decision=FIRST, kept=kept, gammas=GAMMAS, reference=clinicians.value, discount=config.discount,
    )  # fmt: skip
    choice, single = choice_at(held, one.target, bench.behavior, FIRST, kept=kept), None
    if choice is not None:
        single = confounded_decision(
            held.reward, ratio, held.mask, choice,
            gammas=GAMMAS, reference=clinicians.value, discount=config.discount,
        )  # fmt: skip
    return PolicySensitivity(
        policy=one.name,
        role=role,
        kept=kept,
        marginal=_curve(marginal.beside(own), clinicians, bench),
        single=None if single is None else _curve(single.beside(own), clinicians, bench),
    )


def _curve(bounds: Sensitivity, clinicians: Estimate, bench: Bench) -> GammaCurve:
    level, draws = bench.config.level, bench.config.draws
    judged, base = bounds.lower[0].judged(), clinicians.resampled(draws)

    def point(gamma: float, lower: Estimate, upper: Estimate) -> GammaPoint:
        below, above = (one.resampled(draws) for one in (lower, upper))
        return GammaPoint(
            gamma=gamma,
            lower=lower.value,
            upper=upper.value,
            low=percentile(below, level)[0],
            high=percentile(above, level)[1],
            gap_low=percentile(below - base, level)[0],
            gap_high=percentile(above - base, level)[1],
        )

    known = judged.label != "not evaluable"
    return GammaCurve(
        points=tuple(map(point, bounds.gamma, bounds.lower, bounds.upper)),
        tipping=bounds.tipping,
        tipping_by_chance=bounds.tipping_by_chance(clinicians, level, draws=draws) if known else None,
        verdict=judged.label,
        reasons=judged.reasons,
    )


@torch.no_grad()
def choice_at(
    decisions: Decisions, target: DiscretePolicy | Blend, behavior: DiscretePolicy, decision: int, *, kept: float
) -> Choice | None:
    """What target and behaviour do at one decision; None where it would take too much memory to ask."""
    obs, stays = decisions.obs[:, decision], len(decisions)
    allowed = None if decisions.allowed is None else decisions.allowed[:, decision]
    base = here(behavior, decisions.site)
    theirs = base.probs(obs, None)
    actions = theirs.shape[1]
    ours = target_probs(here(target, decisions.site), obs, allowed, base)
    if ours is None or stays * actions * (obs.shape[1] + actions) > _LARGEST:
        return None
    action, (wanted, usual) = decisions.action[:, decision], (p.double().cpu().numpy() for p in (ours, theirs))
    return Choice(decision, action.cpu().numpy(), wanted, usual, basis_of(obs, actions), kept)
