"""The comparison of runs as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass

from .comparison import Comparison, Difference
from .figures import Axis, Key, Mark, StripFigure, StripRow, axis, mark
from .page import render
from .page_policies import HIDDEN
from .report import Interval
from .style import NONE, Values, words


@dataclass(frozen=True)
class Row:
    """One difference by one estimator, in text."""

    policy: str
    estimator: str
    value: str
    interval: str
    shown: bool
    verdict: str


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML."""
    values = Values.of(comparison.estimand)
    against = comparison.runs[0].label
    parts = []
    for run in comparison.runs[1:]:
        told = [d for d in comparison.differences if d.run == run.label]
        figure = _figure(told, comparison, values)
        parts.append((f"{run.label} minus {against}", figure, _rows(told, values)))
    context = {
        "comparison": comparison,
        "headline": headline(comparison),
        "parts": parts,
        "value_name": values.name,
        "percent_values": values.percent,
        "estimator": words(comparison.primary_estimator),
        "count": len(comparison.differences),
    }
    return render("comparison.html", context)


def headline(comparison: Comparison) -> str:
    """How many differences exclude zero, of those that may be read; truth first, where it is known."""
    known = [d.true for d in comparison.differences if d.true is not None]
    if known:
        return f"Of {len(known)} differences on known truth, {_clear(known)} an interval that excludes zero."
    shown = [e for d in comparison.differences if (e := primary(comparison, d)) is not None]
    if not shown:
        return "No policy can be compared on these records: every difference is not evaluable."
    return (
        f"Of {len(comparison.differences)} differences, {len(shown)} can be read on these records; "
        f"{_clear(shown)} an interval that excludes zero."
    )


def _clear(intervals: list[Interval]) -> str:
    number = sum(_excludes_zero(one) for one in intervals)
    return "none has" if number == 0 else "one has" if number == 1 else f"{number} have"


def primary(comparison: Comparison, difference: Difference) -> Interval | None:
    """The headline estimator's difference where a reader may see it."""
    name = comparison.primary_estimator
    if difference.verdicts.get(name, HIDDEN) == HIDDEN:
        return None
    return difference.estimates.get(name)


def _excludes_zero(interval: Interval | None) -> bool:
    if interval is None or interval.low is None or interval.high is None:
        return False
    return interval.low > 0 or interval.high < 0


def _figure(told: list[Difference], comparison: Comparison, values: Values) -> StripFigure | None:
    truth = any(d.true for d in told)
    shown: list[float | None] = [0.0]
    for d in told:
        for one in (d.true, primary(comparison, d)):
            shown += [one.value, one.low, one.high] if one is not None else []
    if len(shown) == 1:
        return None
    scale = axis(shown)
    keys = [Key("circle", "truth", "true difference")] if truth else []
    keys.append(Key("square", "estimate", "estimated from held-out records"))
    return StripFigure(
        caption=f"Difference in {values.name} with 95 % interval; right of zero favours the later run",
        columns=("true", "from records") if truth else ("difference", "95 % interval"),
        rows=tuple(_row(d, comparison, values, scale, truth=truth) for d in told),
        ticks=tuple((scale.at(t), values.tick_difference(t)) for t in scale.ticks),
        keys=tuple(keys),
        reference=scale.at(0.0),
    )


def _row(d: Difference, comparison: Comparison, values: Values, scale: Axis, *, truth: bool) -> StripRow:
    estimate = primary(comparison, d)
    marks: tuple[Mark, ...] = ()
    if estimate is not None:
        lane = 9 if truth else 0
        marks += mark(scale, estimate.value, "square", "estimate", low=estimate.low, high=estimate.high, lane=lane)
    if d.true is not None:
        marks += mark(scale, d.true.value, "circle", "truth", low=d.true.low, high=d.true.high)
    from_records = values.signed(estimate.value) if estimate else HIDDEN
    true = values.signed(d.true.value) if d.true else NONE
    interval = _range(estimate, values) if estimate else ""
    cells = (true, from_records) if truth else (from_records, interval)
    text = f"{d.label}: true {true}, from records {from_records} {interval}"
    return StripRow(d.label, marks, cells, text, strong=d.kind in ("unpenalised", "penalised"))


def _range(interval: Interval, values: Values) -> str:
    if interval.low is None or interval.high is None:
        return NONE
    return f"{values.signed(interval.low)} to {values.signed(interval.high)}"


def _rows(told: list[Difference], values: Values) -> list[Row]:
    rows = []
    for d in told:
        if d.true is not None:
            rows.append(Row(d.label, "true value", values.signed(d.true.value), _range(d.true, values), True, "known"))
        for name, e in d.estimates.items():
            verdict = d.verdicts.get(name, HIDDEN)
            shown = verdict != HIDDEN and e.value is not None
            value = values.signed(e.value) if shown else HIDDEN
            rows.append(Row(d.label, words(name), value, _range(e, values) if shown else "", shown, verdict))
    return rows
