"""What the page shows of subgroups: observed values as strips, and estimates of learned policies where evaluable."""

from __future__ import annotations

from dataclasses import dataclass

from .figures import Axis, StripFigure, StripRow, axis, mark
from .page_policies import HIDDEN
from .report import Report, SubgroupReport
from .style import NONE, Values, count, sample
from .wording import evaluable, first, reference

LEARNED = ("unpenalised", "penalised", "blend", "other")


def subgroup_figure(report: Report) -> StripFigure | None:
    """The clinicians' value by group; None where there is no group to show."""
    groups = [g for g in report.subgroups if g.observed is not None and g.observed.value is not None]
    if not groups:
        return None
    values = Values.of(report.estimand)
    scale = axis(
        [v for g in groups if g.observed for v in (g.observed.value, g.observed.low, g.observed.high)],
        bounds=(0.0, 1.0) if values.percent else None,
    )
    clinician = first(report, "clinician")
    anchor = clinician.observed_value if clinician and clinician.observed_value else reference(report)
    centre = anchor.value if anchor else None
    return StripFigure(
        caption=f"Observed {values.name} by group of held-out patients, with 95 % intervals",
        columns=("patients", "observed", "95 % interval"),
        rows=tuple(_row(group, scale, values) for group in groups),
        ticks=tuple((scale.at(t), values.tick(t)) for t in scale.ticks),
        reference=None if centre is None else scale.at(centre),
        reference_label="" if centre is None else "all",
    )


def _row(group: SubgroupReport, scale: Axis, values: Values) -> StripRow:
    observed = group.observed
    assert observed is not None
    interval = values.range(observed.low, observed.high)
    cells = (count(group.patients), values.value(observed.value), interval)
    label = f"{group.variable}: {group.group}"
    return StripRow(
        label=label,
        marks=mark(scale, observed.value, "diamond", "clinician", low=observed.low, high=observed.high),
        cells=cells,
        text=f"{label}, {cells[0]} patients: {cells[1]}, 95 % interval {interval}",
    )


@dataclass(frozen=True)
class SubgroupEstimate:
    """One estimate of one policy in one group, in text."""

    group: str
    policy: str
    value: str
    interval: str
    difference: str
    size: str
    verdict: str
    shown: bool


def subgroup_estimates(report: Report) -> list[SubgroupEstimate]:
    """Estimates of learned policies in every group, hidden where they are not evaluable."""
    values, rows = Values.of(report.estimand), []
    for group in report.subgroups:
        for name, e in group.estimates.items():
            policy = report.policies.get(name)
            if policy is None or policy.kind not in LEARNED:
                continue
            shown, gap = evaluable(e), e.difference
            known = shown and gap is not None and None not in (gap.value, gap.low, gap.high)
            rows.append(
                SubgroupEstimate(
                    group=f"{group.variable}: {group.group}",
                    policy=policy.label,
                    value=values.value(e.value) if shown else HIDDEN,
                    interval=values.range(e.low, e.high) if shown else "",
                    difference=f"{values.signed(gap.value)} ({values.signed(gap.low)} to {values.signed(gap.high)})"
                    if known and gap is not None
                    else NONE,
                    size=sample(e.effective_sample_size),
                    verdict=e.verdict,
                    shown=shown,
                )
            )
    return rows
