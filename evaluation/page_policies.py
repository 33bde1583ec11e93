"""What the page shows of policies: the table, all estimates, the choice of penalty.

The one place that hides: an estimate that is not evaluable becomes the words "not evaluable"; its value, interval and
error stay in the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

from .charts import Chart, Series, lines
from .report import EstimateReport, Interval, PolicyReport, Report
from .style import NONE, Values, count, number, percent, plain, sample, words
from .wording import evaluable, primary

ORDER = ("clinician", "behavior", "unpenalised", "penalised", "blend", "other", "baseline")
HIDDEN = "not evaluable"


@dataclass(frozen=True)
class EstimateRow:
    """One estimate in text."""

    name: str
    value: str
    interval: str
    shown: bool
    size: str  # effective sample size
    mean_weight: str
    largest: str  # largest weight share
    weighted: str  # stays that keep any weight
    verdict: str
    reasons: str
    error: str
    covered: str


@dataclass(frozen=True)
class PolicyRow:
    """One policy in text."""

    label: str
    kind: str
    description: str
    claim: str
    claim_interval: str
    claim_error: str
    true: str
    true_interval: str
    shaped: str  # the claim in the shaped reward that the policy learned by
    shaped_interval: str
    headline: EstimateRow | None
    estimates: tuple[EstimateRow, ...]


def ordered(report: Report) -> list[PolicyReport]:
    """Policies from the clinicians to the baselines; blends by growing share."""
    return sorted(report.policies.values(), key=lambda p: (ORDER.index(p.kind), p.share or 0.0))


def policy_rows(report: Report) -> list[PolicyRow]:
    """The policies table."""
    values = Values.of(report.estimand)
    return [_policy_row(report, policy, values) for policy in ordered(report)]


def _policy_row(report: Report, policy: PolicyReport, values: Values) -> PolicyRow:
    claim, true, main = policy.simulator_value, policy.true_value, primary(report, policy)
    shaped = policy.shaped_value
    known = claim is not None and true is not None and None not in (claim.value, true.value)
    headline = _estimate_row("", main, values) if main else None
    if policy.observed_value is not None:  # nothing to reweight
        headline = _observed_row(policy.observed_value, values)
    return PolicyRow(
        label=policy.label,
        kind=policy.kind,
        description=policy.description,
        claim=values.value(claim.value if claim else None),
        claim_interval=values.range(claim.low, claim.high) if claim else "",
        claim_error=values.signed(_gap(claim, true)) if known else NONE,
        true=values.value(true.value if true else None),
        true_interval=values.range(true.low, true.high) if true else "",
        shaped=NONE if shaped is None else number(shaped.value, 3),
        shaped_interval=_plain_range(shaped),
        headline=headline,
        estimates=tuple(_estimate_row(words(name), e, values) for name, e in policy.estimates.items()),
    )


def _plain_range(interval: Interval | None) -> str:
    """An interval in units of the reward."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f"{number(interval.low, 3)} to {number(interval.high, 3)}"


def _gap(claim: Interval | None, true: Interval | None) -> float | None:
    if claim is None or true is None or claim.value is None or true.value is None:
        return None
    return claim.value - true.value


def _estimate_row(name: str, e: EstimateReport, values: Values) -> EstimateRow:
    shown = evaluable(e)
    return EstimateRow(
        name=name,
        value=values.value(e.value) if shown else HIDDEN,
        interval=values.range(e.low, e.high) if shown else "",
        shown=shown,
        size=sample(e.effective_sample_size),
        mean_weight=number(e.mean_weight, 2),
        largest=percent(e.max_weight_share),
        weighted=count(e.weighted_stays),
        verdict=e.verdict,
        reasons="; ".join(e.reasons),
        error=values.signed(e.error) if shown else NONE,
        covered=NONE if not shown or e.covered is None else "yes" if e.covered else "no",
    )


def _observed_row(observed: Interval, values: Values) -> EstimateRow:
    interval = values.range(observed.low, observed.high)
    return EstimateRow(
        "observed", values.value(observed.value), interval, True, NONE, NONE, NONE, NONE, "observed", "", NONE, NONE
    )


def selection_chart(report: Report) -> Chart | None:
    """Claim and truth over the penalties tried."""
    if report.selection is None or len(report.selection.candidates) < 2:
        return None
    tried, values = report.selection.candidates, Values.of(report.estimand)
    series = [Series("claimed", "claim", "ring", tuple(c.claimed for c in tried))]
    if any(c.second is not None for c in tried):
        series.append(Series("second simulator", "claim", "diamond", tuple(c.second for c in tried)))
    if any(c.true is not None for c in tried):
        series.append(Series("true", "truth", "circle", tuple(c.true for c in tried)))
    return lines(
        series,
        tuple(plain(c.penalty) + (" ✓" if c.chosen else "") for c in tried),
        x_label="penalty (✓ chosen)",
        y_label=values.name,
        say=values.value,
        tick=values.tick,
    )
