"""What the page shows of the cohort: its flow, how stays ended, and the splits; small counts stay hidden."""

from __future__ import annotations

from dataclasses import dataclass

from .report import Report
from .small_cells import LEAST

HIDDEN_NOTE = (
    f"– instead of a count: it is under {LEAST}, or would tell of one that is. "
    "Such counts are in no file of the report."
)


@dataclass(frozen=True)
class FlowRow:
    """One step of the cohort flow as drawn."""

    step: str
    stays: int | None
    left_out: int  # since the last step that is shown
    share: float  # percent of the largest step


@dataclass(frozen=True)
class Outcome:
    """How many stays ended in one way."""

    name: str
    count: int | None
    share: float | None


def flow_rows(report: Report) -> list[FlowRow]:
    """The steps in order."""
    steps = report.cohort.flow
    most = max((f.stays for f in steps if f.stays is not None), default=0) or 1
    rows: list[FlowRow] = []
    before: int | None = None
    for step in steps:
        left = 0 if before is None or step.stays is None else max(before - step.stays, 0)
        rows.append(FlowRow(step.step, step.stays, left, round(100 * (step.stays or 0) / most, 2)))
        before = before if step.stays is None else step.stays
    return rows


def outcomes(report: Report) -> list[Outcome]:
    """How stays ended, as shares of all."""
    found, total = report.cohort.outcomes, report.cohort.stays
    return [Outcome(name, n, None if n is None else n / total) for name, n in found.items()] if total else []


def unknown_outcomes(report: Report) -> int:
    """Stays whose outcomes are hidden, together."""
    known = sum(n for n in report.cohort.outcomes.values() if n is not None)
    return max(report.cohort.stays - known, 0) if None in report.cohort.outcomes.values() else 0


def anything_hidden(report: Report) -> bool:
    """Whether a count of the cohort is left out."""
    c = report.cohort
    counts = [f.stays for f in c.flow] + [s.patients for s in c.splits.values()] + list(c.outcomes.values())
    return None in counts or None in [f.out_of_bounds for f in (*c.features, *c.context)]
