"""What the page shows of how stays differ under a policy: deaths, the worst tenth, the usual range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .duration import duration
from .figures import Axis, Key, StripFigure, StripRow, axis, mark
from .page_policies import HIDDEN, ordered
from .report import DistributionReport, Estimated, Interval, Measure, PolicyReport, Report
from .style import NONE, Values, opening, percent, percent_range
from .wording import EVALUABLE

_QUANTILES: tuple[Measure, ...] = ("tenth", "median", "ninetieth")


@dataclass(frozen=True)
class _Told:
    """One measure of one policy."""

    policy: PolicyReport
    estimated: Estimated | None
    simulated: Interval | None
    asked: bool  # the records were asked about the policy, and gave nothing that could be measured

    @property
    def shown(self) -> Estimated | None:
        """What a reader may see of the estimate."""
        e = self.estimated
        return e if e is not None and e.verdict in EVALUABLE and e.value is not None else None


@dataclass(frozen=True)
class _Say:
    """How a measure is printed."""

    value: Callable[[float | None], str]
    range: Callable[[float | None, float | None], str]
    tick: Callable[[float], str]


def mortality_figure(report: Report) -> StripFigure | None:
    """Probability of death in care under each policy; None where too few die to tell."""
    told, e = _told(report, "mortality"), report.estimand
    if not told:
        return None
    name = f"Deaths in care within {duration(e.interval_hours * e.horizon_decisions)}"

    def tick(x: float) -> str:
        return percent(x, 0 if x * 100 == round(x * 100) else 1)

    return _figure(report, told, name, _Say(percent, percent_range, tick), bounds=(0.0, 1.0))


def tail_figure(report: Report) -> StripFigure | None:
    """What the worst tenth of each policy's stays comes to; None where that is nothing but the worst end."""
    told, values = _told(report, "worst_tenth"), Values.of(report.estimand)
    known = [x.value for one in told for x in (one.simulated, one.shown) if x is not None]
    if not known or (values.percent and all(value == 0 for value in known)):
        return None
    bounds = (0.0, 1.0) if values.percent else None
    name = f"{opening(values.name)}, mean of the worst tenth of stays"
    return _figure(report, told, name, _Say(values.value, values.range, values.tick), bounds=bounds)


def _told(report: Report, measure: Measure) -> list[_Told]:
    """The policies of which the measure is known."""
    found, known = [], any(measure in own.estimated for own in report.distributions.values())
    for name, policy in report.policies.items():
        own = report.distributions.get(name, DistributionReport())
        simulated = own.simulated.get(measure)
        if simulated is None and measure == "worst_tenth":
            simulated = policy.worst_tenth
        if simulated is not None and simulated.value is None:
            simulated = None
        if simulated is not None or measure in own.estimated:
            asked = known and bool(policy.estimates) and not own.estimated
            found.append(_Told(policy, own.estimated.get(measure), simulated, asked))
    order = [id(p) for p in ordered(report)]
    return sorted(found, key=lambda one: order.index(id(one.policy)))


def _figure(
    report: Report,
    told: list[_Told],
    caption: str,
    say: _Say,
    *,
    bounds: tuple[float, float] | None,
) -> StripFigure:
    everything = [
        x for one in told for part in (one.simulated, one.shown) if part for x in (part.value, part.low, part.high)
    ]
    scale, truth = axis(everything, bounds=bounds), report.truth is not None
    anchor = next((one for one in told if one.policy.kind == "clinician"), None)
    centre = None if anchor is None else anchor.simulated if truth else anchor.shown or anchor.simulated
    keys = [Key("circle", "truth", "true")] if truth else [Key("ring", "claim", "claimed by the learned simulator")]
    keys = keys if any(one.simulated for one in told) else []
    if any(one.shown for one in told):
        keys.append(Key("square", "estimate", "estimated from held-out records, with 95 % interval"))
    return StripFigure(
        caption=caption,
        columns=("true" if truth else "claimed", "from records"),
        rows=tuple(_row(one, scale, truth, say) for one in told),
        ticks=tuple((scale.at(t), say.tick(t)) for t in scale.ticks),
        keys=tuple(keys),
        reference=None if centre is None or centre.value is None else scale.at(centre.value),
        reference_label="" if centre is None else "clinicians",
    )


def _row(
    one: _Told,
    scale: Axis,
    truth: bool,
    say: _Say,
) -> StripRow:
    simulated, shown = one.simulated, one.shown
    shape, tone = ("circle", "truth") if truth else ("ring", "claim")
    marks = () if shown is None else mark(
        scale, shown.value, "square", "estimate", low=shown.low, high=shown.high, lane=6, title="from records"
    )  # fmt: skip
    if simulated is not None:
        marks += mark(scale, simulated.value, shape, tone, low=simulated.low, high=simulated.high, lane=-3)
    records = HIDDEN if one.asked or one.estimated is not None else NONE
    records = records if shown is None else say.value(shown.value)
    cells = (say.value(simulated.value if simulated else None), records)
    said = (
        []
        if simulated is None
        else [f"{'true' if truth else 'claimed'} {cells[0]} ({say.range(simulated.low, simulated.high)})"]
    )
    said.append(f"from records {records}" + ("" if shown is None else f" ({say.range(shown.low, shown.high)})"))
    return StripRow(one.policy.label, marks, cells, f"{one.policy.label}: {', '.join(said)}")


@dataclass(frozen=True)
class SpreadCell:
    """A number with its interval, or with a second line of its own."""

    text: str
    sub: str
    hidden: bool = False


@dataclass(frozen=True)
class SpreadRow:
    """One policy: its usual range and deviation, from records and where simulated."""

    label: str
    cells: tuple[SpreadCell, ...]  # range from records, deviation from records, then both simulated


def spread_rows(report: Report) -> list[SpreadRow]:
    """The usual range of stays by policy; empty where stays end in one of two ways, which the value tells."""
    values = Values.of(report.estimand)
    parts = [(p, report.distributions[n]) for n, p in report.policies.items() if n in report.distributions]
    ends = [x.value for _, d in parts for side in (d.estimated, d.simulated) for m in _QUANTILES if (x := side.get(m))]
    if values.percent and all(value in (0.0, 1.0, None) for value in ends):
        return []
    order = [id(p) for p in ordered(report)]
    rows = [SpreadRow(p.label, (*_estimated(p, d, values), *_simulated(d, values))) for p, d in sorted(
        parts, key=lambda part: order.index(id(part[0]))
    )]  # fmt: skip
    return rows if any(cell.text != NONE for row in rows for cell in row.cells) else []


def _estimated(policy: PolicyReport, own: DistributionReport, values: Values) -> tuple[SpreadCell, SpreadCell]:
    if not policy.estimates and not own.estimated:
        return SpreadCell(NONE, ""), SpreadCell(NONE, "")
    shown = {m: e for m, e in own.estimated.items() if e.verdict in EVALUABLE}
    hidden = SpreadCell(HIDDEN, "", hidden=True)
    return (
        _range(dict(shown), values) if "median" in shown else hidden,
        _deviation(shown["deviation"], values) if "deviation" in shown else hidden,
    )


def _simulated(own: DistributionReport, values: Values) -> tuple[SpreadCell, SpreadCell]:
    if "median" not in own.simulated:
        return SpreadCell(NONE, ""), SpreadCell(NONE, "")
    return _range(dict(own.simulated), values), _deviation(own.simulated["deviation"], values)


def _range(own: dict[Measure, Estimated] | dict[Measure, Interval], values: Values) -> SpreadCell:
    """Median with the range of the middle four fifths, where both of its ends may be shown."""
    low, high = own.get("tenth"), own.get("ninetieth")
    sub = values.range(low.value, high.value) if low is not None and high is not None else ""
    return SpreadCell(values.value(own["median"].value), sub)


def _deviation(own: Estimated | Interval, values: Values) -> SpreadCell:
    return SpreadCell(values.value(own.value), values.range(own.low, own.high))
