"""How often each policy exceeds each dose limit, as figures."""

from __future__ import annotations

from .figures import StripFigure, StripRow, axis, mark
from .page_policies import ordered
from .report import PolicyReport, Report
from .style import percent, percent_range, plain, sentence, unit

LEARNED = ("unpenalised", "penalised", "blend", "other")


def violation_figures(report: Report) -> list[StripFigure]:
    """One figure per constraint: how often each policy exceeds it, the clinicians' rate as the reference."""
    policies = ordered(report)
    names = dict.fromkeys(name for p in policies for name in p.constraints)
    return [_violation_figure(policies, name) for name in names]


def _violation_figure(policies: list[PolicyReport], name: str) -> StripFigure:
    told = [(p, p.constraints[name]) for p in policies if name in p.constraints]
    where = [c.measured_in for _, c in told if c.measured_in]
    usual = max(where, key=where.count, default="")
    scale = axis([0.0] + [v for _, c in told for v in (c.rate, c.high)], bounds=(0.0, 1.0))
    rows = []
    for policy, c in told:
        tone = "clinician" if policy.kind == "clinician" else "learned" if policy.kind in LEARNED else "quiet"
        interval = percent_range(c.low, c.high)
        rows.append(
            StripRow(
                label=policy.label,
                marks=mark(scale, c.rate, "diamond" if tone == "clinician" else "circle", tone, low=c.low, high=c.high),
                cells=(percent(c.rate), interval),
                text=f"{policy.label}: {percent(c.rate)}, 95 % interval {interval}",
                note="" if c.measured_in in ("", usual) else f"in {c.measured_in}",
            )
        )
    any_one = told[0][1]
    anchor = next((c.rate for p, c in told if p.kind == "clinician"), None)
    label = any_one.label or f"{sentence(name.removesuffix(' limit'))} over {plain(any_one.limit)} {unit(any_one.unit)}"
    return StripFigure(
        caption=label.replace("ug/", "µg/") + (f" · counted in {usual}" if usual else ""),
        columns=("decisions", "95 % interval"),
        rows=tuple(rows),
        ticks=tuple((scale.at(t), percent(t, 0 if t * 100 == round(t * 100) else 1)) for t in scale.ticks),
        reference=None if anchor is None else scale.at(anchor),
        reference_label="" if anchor is None else "clinicians",
    )
