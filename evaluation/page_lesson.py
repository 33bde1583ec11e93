"""The figure that tells a run's lesson: what each policy claims beside what it is, or beside what records can carry."""

from __future__ import annotations

from .figures import Axis, Key, Mark, StripFigure, StripRow, axis, mark
from .page_policies import HIDDEN, ordered
from .report import EstimateReport, Interval, PolicyReport, Report
from .style import Values, sentence
from .wording import evaluable, primary, reference


def lesson_figure(report: Report) -> StripFigure | None:
    """Claim beside truth (or beside what the records carry) for clinicians, learned policies and blends."""
    values = Values.of(report.estimand)
    shown = [p for p in ordered(report) if p.kind not in ("baseline", "behavior")]
    anchor = reference(report)
    scale = axis(_numbers(report, shown), bounds=(0.0, 1.0) if values.percent else None, ticks=6)
    rows = tuple(_lesson_row(report, p, scale, values) for p in shown)
    if not any(row.marks for row in rows):
        return None
    truth = report.truth is not None
    keys = [Key("ring", "claim", "claimed by the learned simulator" + ("" if truth else ", not confirmed by anything"))]
    if truth:
        keys.append(Key("circle", "truth", "true value"))
    if any(p.second_value for p in shown):
        keys.insert(
            1, Key("diamond", "claim", "observed plus the gain in a second simulator, in which no policy was trained")
        )
    keys.append(Key("square", "estimate", "estimated from held-out records, with 95 % interval"))
    if not truth:
        keys.append(Key("diamond", "clinician", "observed"))
    centre = anchor.value if anchor else None
    return StripFigure(
        caption=f"{sentence(values.name)} of each policy: what is claimed"
        + (" and what is true" if truth else " and what the records can carry"),
        columns=("claimed", "true") if truth else ("claimed", "from records"),
        rows=rows,
        ticks=tuple((scale.at(t), values.tick(t)) for t in scale.ticks),
        keys=tuple(keys),
        reference=None if centre is None else scale.at(centre),
        reference_label="" if centre is None else f"clinicians {values.value(centre)}",
    )


def _numbers(report: Report, shown: list[PolicyReport]) -> list[float | None]:
    found: list[float | None] = []
    for policy in shown:
        for interval in (policy.simulator_value, policy.second_value, policy.true_value, policy.observed_value):
            found += [interval.value, interval.low, interval.high] if interval else []
        e = primary(report, policy)
        found += [e.value, e.low, e.high] if e is not None and evaluable(e) else []
    return found


def _lesson_row(report: Report, policy: PolicyReport, scale: Axis, values: Values) -> StripRow:
    claim, true, e = policy.simulator_value, policy.true_value, primary(report, policy)
    observed = policy.observed_value if report.truth is None else None
    shown = e if e is not None and evaluable(e) else None
    marks: tuple[Mark, ...] = ()
    if shown is not None:
        marks += mark(scale, shown.value, "square", "estimate", low=shown.low, high=shown.high, lane=9)
    if claim is not None:
        marks += mark(scale, claim.value, "ring", "claim", low=claim.low, high=claim.high, title="claimed")
    if (second := policy.second_value) is not None:
        marks += mark(
            scale, second.value, "diamond", "claim", low=second.low, high=second.high, title="second", lane=-9
        )
    if true is not None:
        marks += mark(scale, true.value, "circle", "truth", low=true.low, high=true.high, title="true")
    if observed is not None:
        marks += mark(scale, observed.value, "diamond", "clinician", low=observed.low, high=observed.high)
    from_records = values.value(shown.value) if shown else values.value(observed.value) if observed else HIDDEN
    last = values.value(true.value if true else None) if report.truth is not None else from_records
    link = None
    if claim and true and claim.value is not None and true.value is not None:
        link = (scale.at(claim.value), scale.at(true.value))
    said = [] if claim is None else [f"claimed {values.whole(claim)}"]
    said += [] if policy.second_value is None else [f"by a second simulator {values.whole(policy.second_value)}"]
    said += [] if true is None else [f"true {values.whole(true)}"]
    said += [f"from records {values.whole(_interval(shown))}"] if shown else [f"from records {from_records}"]
    return StripRow(
        label=policy.label,
        marks=marks,
        cells=(values.value(claim.value if claim else None), last),
        text=f"{policy.label}: {', '.join(said)}",
        note="" if shown or report.truth is None or policy.kind == "clinician" else "records: not evaluable",
        link=link,
        strong=policy.kind in ("unpenalised", "penalised") and report.truth is not None,
    )


def _interval(e: EstimateReport) -> Interval:
    return Interval(value=e.value, low=e.low, high=e.high)
