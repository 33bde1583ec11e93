"""What the page shows of how much the records bear on a policy: effective sample by decision, fitted probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from .charts import Chart, Series, lines
from .page_policies import ordered
from .report import Bin, Report
from .style import count, percent, plain, unit
from .wording import primary

_TONES = (("estimate", "square"), ("truth", "circle"), ("quiet", "diamond"), ("claim", "ring"))
_TICKS = 6  # named decisions, about


def support_chart(report: Report) -> Chart | None:
    """Effective sample size of the primary estimator after each decision: blends and the penalised policy."""
    told = [
        (p.label, e.effective_sample_sizes)
        for p in ordered(report)
        if p.kind in ("blend", "penalised") and (e := primary(report, p)) is not None and e.effective_sample_sizes
    ][: len(_TONES)]
    if not told:
        return None
    steps = max(len(sizes) for _, sizes in told)
    every = max(1, round(steps / _TICKS))
    named = {steps, *(t for t in range(1, steps - every // 2, every))}
    names = tuple(str(t) if t in named else "" for t in range(1, steps + 1))
    series = [Series(label, *_TONES[i], sizes) for i, (label, sizes) in enumerate(told)]
    return lines(
        series, names, x_label="decision", y_label="stays", say=lambda v: count(v), tick=plain, from_zero=True
    )  # fmt: skip


@dataclass(frozen=True)
class BinRow:
    """One bar of a histogram."""

    label: str
    count: int | None
    share: float  # percent of the fullest bin


def propensity_rows(report: Report) -> list[BinRow]:
    """How probable the fitted clinician finds the doses that were given."""
    bins = report.behavior.propensities if report.behavior else ()
    most = max((b.count or 0 for b in bins), default=0) or 1
    return [BinRow(_range(b), b.count, round(100 * (b.count or 0) / most, 1)) for b in bins]


def _range(b: Bin) -> str:
    return f"{plain(b.low * 100)} to {plain(b.high * 100)}\u202f%"


@dataclass(frozen=True)
class ActionRow:
    """One dose combination: predicted and taken."""

    doses: tuple[str, ...]
    predicted: str
    taken: str
    count: str


def action_rows(report: Report) -> list[ActionRow]:
    """Calibration of the fitted clinician, dose by dose."""
    drugs = report.cohort.drugs
    return [
        ActionRow(
            tuple(f"{plain(dose)} {unit(drug.unit)}" for dose, drug in zip(a.doses, drugs, strict=False)),
            percent(a.predicted),
            percent(a.observed),
            count(a.count),
        )
        for a in (report.behavior.actions if report.behavior else ())
    ]
