"""What the page shows of hidden causes: by how much one could move a policy's difference from the clinicians."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .bands import BandChart, band_chart
from .page_policies import HIDDEN
from .report import GammaCurve, GammaPoint, Interval, PolicySensitivity, Report
from .style import NONE, Values, number, opening, words
from .wording import EVALUABLE

_NOTHING = 1.005  # a factor below reads as 1
_LEAST, _MANY = 1.05, 5  # causes on record that are told of: how strong, how many
_WHY = {"chosen": "the policy that was chosen", "boldest": "the boldest blend that the records carry"}


@dataclass(frozen=True)
class GammaRow:
    """One strength of confounding in text."""

    gamma: str
    bounds: str
    interval: str
    gap: str
    single: str


@dataclass(frozen=True)
class Doubt:
    """One policy under a confounded first decision."""

    title: str
    why: str
    verdict: str
    sentences: tuple[str, ...]
    chart: BandChart | None
    rows: tuple[GammaRow, ...]


def doubts(report: Report) -> list[Doubt]:
    """Each policy whose value may hang on something hidden; no number where its estimate is not evaluable."""
    told = report.sensitivity
    return [] if told is None else [_doubt(report, one) for one in told.policies if one.policy in report.policies]


def _doubt(report: Report, one: PolicySensitivity) -> Doubt:
    policy, shown = report.policies[one.policy], carried(one.marginal)
    why = _WHY[one.role] + (", on weak support" if one.marginal.verdict == "weak" else "")
    if not shown:
        text = "Its estimate is not evaluable: the records show no advantage that a hidden cause could undo."
        return Doubt(policy.label, why, HIDDEN, (text,), None, ())
    return Doubt(
        title=policy.label,
        why=why,
        verdict=one.marginal.verdict,
        sentences=tuple(s for s in (strength(report, one), _between(one), _true(report, one)) if s),
        chart=_chart(report, one),
        rows=_rows(report, one),
    )


def carried(curve: GammaCurve) -> bool:
    """A reader may see the numbers."""
    return curve.verdict in EVALUABLE and bool(curve.points) and curve.points[0].lower is not None


def strength(report: Report, one: PolicySensitivity) -> str:
    """How strong a hidden cause would have to be, in words."""
    curve, values, told = one.marginal, Values.of(report.estimand), report.sensitivity
    first = curve.points[0]
    if told is None or first.lower is None or told.clinicians is None:
        return ""
    gap = first.lower - told.clinicians
    side = "advantage" if gap > 0 else "disadvantage"
    span = "" if first.gap_low is None else f" ({values.signed(first.gap_low)} to {values.signed(first.gap_high)})"
    points = " points" if values.percent else ""
    lead = (
        f"If nothing hidden moved the first dose, it differs from the clinicians by {values.signed(gap)}{span}{points}"
    )
    if curve.tipping_by_chance is not None and curve.tipping_by_chance < _NOTHING:
        return f"{lead}, which could be chance: there is no {side} for a hidden cause to explain."
    chance, gone = factor(curve.tipping_by_chance), factor(curve.tipping)
    if chance is None:
        return f"{lead}. No hidden cause that changes the odds up to {told.most:g} times makes that {side} chance."
    tail = f"from {gone} times on it could be none at all" if gone else "but some of it would always be left"
    return (
        f"{lead}. If patients sicker than the record shows had up to {chance} times the odds of getting the"
        f" dose that they got, or of not getting it, that {side} could be chance; {tail}."
    )


def factor(gamma: float | None) -> str | None:
    """A factor in text, rounded towards 1."""
    return None if gamma is None else number(math.floor(gamma * 100 + 1e-9) / 100, 2)


def scale(report: Report) -> str:
    """How strongly the causes on record move the first dose, so that a hidden one can be thought of beside them."""
    told = report.sensitivity
    causes = [c for c in told.known if c.factor is not None and c.factor >= _LEAST] if told else []
    if not causes:
        return ""
    listed = ", ".join(f"{_within(c.label or words(c.name))} {number(c.factor, 1)}" for c in causes[:_MANY])
    return (
        f"For scale, what the record does show. Not knowing one of these would change the odds of the first dose by at"
        f" most this factor in 19 of 20 patients: {listed}."
    )


def _within(name: str) -> str:
    """A name inside a sentence: an abbreviation keeps its capitals."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def _between(one: PolicySensitivity) -> str:
    single = one.single
    if single is None or not carried(single) or (single.tipping_by_chance or math.inf) < _NOTHING:
        return ""
    chance, gone = factor(single.tipping_by_chance), factor(single.tipping)
    if chance is None:
        return "By a fitted worst case of the first decision alone (dashed) it could never be chance."
    return (
        f"A fitted worst case (dashed), where the factor lies between two hidden states, gives {chance} for chance and"
        f" {gone or 'none'} for all of it."
    )


def _true(report: Report, one: PolicySensitivity) -> str:
    true, told, values = report.policies[one.policy].true_difference, report.sensitivity, Values.of(report.estimand)
    if true is None or true.value is None or told is None:
        return ""
    holding = next((p.gamma for p in one.marginal.points if _holds(p.gap_low, p.gap_high, true)), None)
    where = "lies outside all intervals" if holding is None else (
        "lies in the interval without any hidden cause" if holding == 1
        else f"lies in the interval from a factor of {holding:g} on"
    )  # fmt: skip
    text = f"The true difference, {values.signed(true.value)}, {where}."
    if told.hidden:
        text += " In this cohort something hidden moves every dose, not the first alone."
    return text


def _holds(low: float | None, high: float | None, true: Interval) -> bool:
    return low is not None and high is not None and true.value is not None and low <= true.value <= high


def _chart(report: Report, one: PolicySensitivity) -> BandChart | None:
    values, told = Values.of(report.estimand), report.sensitivity
    if told is None or told.clinicians is None:
        return None
    base, single = told.clinicians, one.single if one.single is not None and carried(one.single) else None
    points, true = one.marginal.points, report.policies[one.policy].true_difference
    return band_chart(
        [p.gamma for p in points],
        bounds=[(_less(p.lower, base), _less(p.upper, base)) for p in points],
        interval=[(p.gap_low, p.gap_high) for p in points],
        dashed=[(_less(p.lower, base), _less(p.upper, base)) for p in single.points] if single else [],
        level=None if true is None else true.value,
        tips=_tips(one.marginal),
        say=lambda v: values.signed(v),
        tick=lambda v: values.tick_difference(v),
        y_label=f"difference in {values.name}" + (", points" if values.percent else ""),
    )


def _tips(curve: GammaCurve) -> list[tuple[float, str]]:
    """Where the difference could be chance, and where it could be nothing, unless it could be chance from the start."""
    if curve.tipping_by_chance is None or curve.tipping_by_chance < _NOTHING:
        return []
    found = [(curve.tipping_by_chance, f"chance from {factor(curve.tipping_by_chance)}")]
    return found if curve.tipping is None else [*found, (curve.tipping, f"gone from {factor(curve.tipping)}")]


def _less(value: float | None, base: float) -> float | None:
    return None if value is None else value - base


def _rows(report: Report, one: PolicySensitivity) -> tuple[GammaRow, ...]:
    values = Values.of(report.estimand)
    single = one.single.points if one.single is not None and carried(one.single) else ()
    beside = {p.gamma: _bounds(p, values) for p in single}
    return tuple(
        GammaRow(
            gamma=f"{p.gamma:g}",
            bounds=_bounds(p, values),
            interval=values.range(p.low, p.high),
            gap=NONE if p.gap_low is None else f"{values.signed(p.gap_low)} to {values.signed(p.gap_high)}",
            single=beside.get(p.gamma, NONE),
        )
        for p in one.marginal.points
    )


def _bounds(point: GammaPoint, values: Values) -> str:
    return values.value(point.lower) if point.gamma == 1 else values.range(point.lower, point.upper)


def hidden_cause(report: Report) -> str:
    """For the summary in plain English: the first policy with a number to tell; empty where there is none."""
    told = report.sensitivity
    one = (
        next((p for p in told.policies if carried(p.marginal) and p.policy in report.policies), None) if told else None
    )
    if one is None:
        return ""
    text = strength(report, one)
    return f"“{report.policies[one.policy].label}”: {opening(text)}" if text else ""
