"""Sentences made from the numbers of a report: its lesson, what the records can carry, its limits.

Rules: a comparison is claimed only where an interval supports it; an estimate that is not evaluable is never quoted;
a simulator's value is a "claim" wherever it appears.
"""

from __future__ import annotations

from dataclasses import dataclass

from .report import EstimateReport, Interval, PolicyKind, PolicyReport, Report
from .style import NARROW, Values, count, number, plain, sample, words

EVALUABLE = ("supported", "weak", "model-based")


@dataclass(frozen=True)
class Lesson:
    """What a reader takes away at first sight."""

    headline: str
    paragraphs: tuple[str, ...]


def first(report: Report, kind: PolicyKind) -> PolicyReport | None:
    """The first policy of a kind, or None."""
    return next((p for p in report.policies.values() if p.kind == kind), None)


def primary(report: Report, policy: PolicyReport) -> EstimateReport | None:
    """The estimate that headlines quote, whatever its verdict."""
    return policy.estimates.get(report.primary_estimator)


def evaluable(estimate: EstimateReport | None) -> bool:
    """A reader may see the number."""
    return estimate is not None and estimate.value is not None and estimate.verdict in EVALUABLE


def reference(report: Report) -> Interval | None:
    """The clinicians' value: true where truth is known, else observed on held-out stays."""
    clinician = first(report, "clinician")
    if clinician is None:
        return None
    return clinician.true_value or clinician.observed_value


def boldest(report: Report, verdicts: tuple[str, ...] = ("supported",)) -> PolicyReport | None:
    """The learned policy or blend that departs furthest from the clinicians with one of these verdicts.

    A pure policy departs further than any blend, a blend by its share.
    """
    learned = [p for p in report.policies.values() if p.kind in ("unpenalised", "penalised", "other", "blend")]
    carried = [p for p in learned if (e := primary(report, p)) is not None and evaluable(e) and e.verdict in verdicts]
    return max(carried, key=lambda p: 1.0 if p.share is None else p.share, default=None)


def lesson(report: Report) -> Lesson:
    """Claim against truth where truth is known, else what held-out records can tell."""
    values = Values.of(report.estimand)
    told = _known_truth(report, values) if report.truth is not None else None
    return told or _records(report, values)


def _known_truth(report: Report, values: Values) -> Lesson | None:
    free, careful, clinicians = first(report, "unpenalised"), first(report, "penalised"), reference(report)
    told = [p for p in (free, careful) if p and p.simulator_value and p.true_value]
    if not told or clinicians is None:
        return None
    paragraphs = []
    for policy in told:
        how = "without a penalty" if policy.kind == "unpenalised" else f"with {_penalty(report)}"
        paragraphs.append(
            f"Trained {how}, the policy claims {_amount(values, policy.simulator_value)} inside the learned simulator. "
            f"{_second(policy, values)}Its true value is {values.whole(policy.true_value)}: "
            f"{_standing(policy, clinicians, values)}. {_gap(policy, values)}"
        )
    paragraphs.append(f"The clinicians’ true value is {values.whole(clinicians)}. {carried(report)}")
    lead = told[0]
    headline = f"{_claims(lead, values)} {values.value(lead.true_value.value if lead.true_value else None)}."
    if len(told) > 1:
        both = told[1]
        headline += (
            f" With the penalty it claims {values.value(both.simulator_value.value if both.simulator_value else None)}"
            f"{_checked(both, values)}"
            f" and truly gives {values.value(both.true_value.value if both.true_value else None)}."
        )
    return Lesson(f"{headline} The clinicians truly give {values.value(clinicians.value)}.", tuple(paragraphs))


def _second(policy: PolicyReport, values: Values) -> str:
    second = policy.second_value
    if second is None or second.value is None:
        return ""
    told = values.value(second.value)
    return f"What was observed plus its gain in a second simulator, in which no policy was trained, makes {told}. "


def _claims(policy: PolicyReport, values: Values) -> str:
    how = "without" if policy.kind == "unpenalised" else "with"
    return f"Trained {how} a penalty, the policy claims {_amount(values, policy.simulator_value)} and truly gives"


def _checked(policy: PolicyReport, values: Values) -> str:
    second = policy.second_value
    known = second is not None and second.value is not None
    return f" (a second simulator says {values.value(second.value)})" if second is not None and known else ""


def _amount(values: Values, interval: Interval | None) -> str:
    text = values.value(interval.value if interval else None)
    return f"{text} {values.name}" if values.percent else f"a {values.name} of {text}"


def _penalty(report: Report) -> str:
    if report.selection is None:
        return "a disagreement penalty"
    chosen = next((c.penalty for c in report.selection.candidates if c.chosen), None)
    split = words(report.selection.split)
    return "a disagreement penalty" if chosen is None else (
        f"a disagreement penalty of {plain(chosen)}, chosen on {split} patients"
    )  # fmt: skip


def _standing(policy: PolicyReport, clinicians: Interval, values: Values) -> str:
    """Where a true value stands beside the clinicians'; "above" or "below" only where an interval says so."""
    gap = policy.true_difference
    if gap is not None and gap.value is not None and gap.low is not None and gap.high is not None:
        interval = f"difference {values.signed(gap.value)}, 95{NARROW}% interval {values.signed(gap.low)} to " + (
            values.signed(gap.high)
        )
        if gap.low > 0:
            return f"{values.points(gap.value)} above the clinicians ({interval})"
        if gap.high < 0:
            return f"{values.points(gap.value)} below the clinicians ({interval})"
        return f"not distinguishable from the clinicians ({interval})"
    own = policy.true_value
    if own is None or None in (own.low, own.high, own.value, clinicians.low, clinicians.high, clinicians.value):
        return f"beside {values.value(clinicians.value)} of the clinicians"
    if (own.low or 0.0) > (clinicians.high or 0.0):
        return f"above the clinicians’ {values.value(clinicians.value)}"
    if (own.high or 0.0) < (clinicians.low or 0.0):
        return f"below the clinicians’ {values.value(clinicians.value)}"
    return f"not distinguishable from the clinicians’ {values.value(clinicians.value)}"


def _gap(policy: PolicyReport, values: Values) -> str:
    claim, true = policy.simulator_value, policy.true_value
    if claim is None or true is None or claim.value is None or true.value is None:
        return ""
    gap = claim.value - true.value
    if None not in (claim.low, claim.high, true.low, true.high) and _overlap(claim, true):
        return "Claim and truth agree within their intervals."
    return f"The claim is {values.points(gap)} too {'high' if gap > 0 else 'low'}."


def _overlap(a: Interval, b: Interval) -> bool:
    return (a.low or 0.0) <= (b.high or 0.0) and (b.low or 0.0) <= (a.high or 0.0)


def carried(report: Report) -> str:
    """Which policy the held-out records can carry an estimate for."""
    values = Values.of(report.estimand)
    policy = boldest(report)
    weak = boldest(report, ("weak",))
    if policy is None and weak is None:
        return "The held-out records carry an estimate for no learned policy and no blend: all are not evaluable."
    if policy is None:
        assert weak is not None
        return f"The held-out records carry only weak estimates; the boldest is for {_quoted(report, weak, values)}."
    return f"The boldest policy that the held-out records support is {_quoted(report, policy, values)}."


def _quoted(report: Report, policy: PolicyReport, values: Values) -> str:
    e = primary(report, policy)
    assert e is not None
    estimate = values.whole(Interval(value=e.value, low=e.low, high=e.high))
    text = f"“{policy.label}”, estimated at {estimate} with an effective sample of {sample(e.effective_sample_size)}"
    true = policy.true_value
    if true is None or true.value is None:
        return text
    if e.covered is None:
        return f"{text}; its true value is {values.value(true.value)}"
    return (
        f"{text}; its true value, {values.value(true.value)}, lies {'inside' if e.covered else 'outside'} the interval"
    )


def _records(report: Report, values: Values) -> Lesson:
    """No truth to compare with: say what held-out records can carry, and leave claims as claims."""
    careful = first(report, "penalised") or first(report, "unpenalised")
    bold, weak = boldest(report), boldest(report, ("weak",))
    if bold is None and weak is None:
        headline = "These records cannot tell whether any learned policy would have done better than the clinicians."
    elif bold is None:
        headline = "These records carry weak estimates only: read no learned policy as better than the clinicians."
    elif bold.kind == "blend" and bold.share is not None:
        headline = (
            f"These records can carry a {number(bold.share * 100, 0)}{NARROW}% blend of the learned policy"
            " into the clinicians’ practice, and nothing bolder."
        )
    else:
        headline = "These records can carry an estimate of the learned policy itself."
    paragraphs = [_observed(report, values), carried(report)]
    if bold is not None and (e := primary(report, bold)) is not None and e.difference is not None:
        paragraphs[-1] += f" {_versus(e.difference, values)}"
    if careful is not None and careful.simulator_value is not None:
        paragraphs.append(
            f"Inside the learned simulator “{careful.label}” claims {_amount(values, careful.simulator_value)}. "
            f"That is a claim of a model that the policy was trained to please; nothing here confirms it. "
            f"{_second(careful, values)}".rstrip()
        )
    return Lesson(headline, tuple(p for p in paragraphs if p))


def _observed(report: Report, values: Values) -> str:
    clinician, held_out = first(report, "clinician"), report.cohort.splits.get("held_out")
    if clinician is None or clinician.observed_value is None:
        return ""
    known = held_out is not None and held_out.patients is not None
    who = f" over {count(held_out.patients)} held-out patients" if held_out and known else " over held-out patients"
    return f"The clinicians’ observed {values.name}{who} is {values.whole(clinician.observed_value)}."


def _versus(gap: Interval, values: Values) -> str:
    if gap.low is None or gap.high is None:
        return ""
    interval = f"{values.signed(gap.low)} to {values.signed(gap.high)}"
    if gap.low > 0 or gap.high < 0:
        side = "above" if gap.low > 0 else "below"
        return f"That is {values.points(gap.value)} {side} the clinicians on the same patients ({interval})."
    return f"Its difference from the clinicians on the same patients spans zero ({interval})."
