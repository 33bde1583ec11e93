"""What the page shows of agreement: the learned simulator's word on the held-out patients beside their records."""

from __future__ import annotations

from dataclasses import dataclass

from .page_policies import HIDDEN, ordered
from .report import SIMULATED, EstimateReport, PolicyReport, Report
from .style import NONE, Values
from .wording import evaluable, primary


@dataclass(frozen=True)
class AgreementRow:
    """One policy: simulated, from records, and the difference."""

    label: str
    simulated: str
    simulated_interval: str
    records: str
    records_interval: str
    difference: str
    difference_interval: str
    apart: bool  # the interval of the difference leaves 0 out
    hidden: bool  # nothing from records may be shown
    true: str


def agreement_rows(report: Report) -> list[AgreementRow]:
    """The policies that the simulator was asked about; empty where it was not."""
    return [row for policy in _asked(report) if (row := _row(report, policy)) is not None]


def agreement_text(report: Report) -> str:
    """How many differences the records can tell from chance."""
    told = [(p, e) for p in _asked(report) if (e := _comparable(report, p)) is not None]
    if not told:
        return "The records carry no policy here: nothing confirms what the simulator says."
    apart = [p.label for p, e in told if _apart(e)]
    if not apart:
        return (
            f"Where the records can tell ({len(told)} of {len(_asked(report))}), the two differ by no more than chance."
        )
    return f"They differ by more than chance for {len(apart)} of {len(told)} policies: {', '.join(apart)}."


def _asked(report: Report) -> list[PolicyReport]:
    """The policies with a word of the simulator; the fitted clinician's stands in the clinicians' row, if there is."""
    asked = [p for p in ordered(report) if SIMULATED in p.estimates]
    twice = any(p.kind == "clinician" for p in asked)
    return [p for p in asked if not (twice and p.kind == "behavior")]


def _row(report: Report, policy: PolicyReport) -> AgreementRow | None:
    own, values, e = policy.estimates.get(SIMULATED), Values.of(report.estimand), primary(report, policy)
    if own is None:
        return None
    shown = e if e is not None and evaluable(e) else None
    gap = None if shown is None else shown.simulator_gap
    true = policy.true_value
    return AgreementRow(
        label=policy.label,
        simulated=values.value(own.value),
        simulated_interval=values.range(own.low, own.high),
        records=HIDDEN if shown is None else values.value(shown.value),
        records_interval="" if shown is None else values.range(shown.low, shown.high),
        difference=NONE if gap is None else values.signed(gap.value),
        difference_interval=NONE
        if gap is None or gap.low is None or gap.high is None
        else f"{values.signed(gap.low)} to {values.signed(gap.high)}",
        apart=shown is not None and _apart(shown),
        hidden=shown is None,
        true=values.value(true.value if true else None),
    )


def _comparable(report: Report, policy: PolicyReport) -> EstimateReport | None:
    """The primary estimate of a policy where a reader may see its distance from the simulator."""
    e = primary(report, policy)
    if e is None or not evaluable(e) or e.simulator_gap is None:
        return None
    return None if None in (e.simulator_gap.low, e.simulator_gap.high) else e


def _apart(e: EstimateReport) -> bool:
    gap = e.simulator_gap
    return gap is not None and gap.low is not None and gap.high is not None and (gap.low > 0 or gap.high < 0)
