"""Geometry of the square plots: calibration and lines, in view-box units; see `figures` for the strips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .figures import Axis, axis
from .report import CalibrationBin

LEAST_CASES = 10  # a bin of fewer cases is not drawn: too noisy to read, too few people to show


@dataclass(frozen=True)
class Point:
    """One mark of a chart; `low` and `high` end its vertical whisker."""

    x: float
    y: float
    radius: float
    title: str
    low: float | None = None
    high: float | None = None
    drawn: bool = True  # else the line bends here without a mark


@dataclass(frozen=True)
class Line:
    """One series, its last point labelled with its name."""

    name: str
    tone: str  # CSS class
    shape: str
    points: tuple[Point, ...]
    label_y: float  # where the name stands, moved apart from its neighbours

    @property
    def path(self) -> str:
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True)
class Chart:
    """A plot area (left, top, right, bottom) in a view box of `width` x `height`."""

    width: int
    height: int
    left: float
    top: float
    right: float
    bottom: float
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    text: str  # what a reader who cannot see it is told
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    diagonal: bool = False
    dropped: int = 0  # bins left out for having too few cases


def calibration(bins: Sequence[CalibrationBin], *, x_label: str, y_label: str) -> Chart | None:
    """Observed against predicted share with intervals; None where no bin has enough cases."""
    full = [
        (b.predicted, b.observed, b.count, b)
        for b in bins
        if b.count is not None and b.count >= LEAST_CASES and b.predicted is not None and b.observed is not None
    ]
    if not full:
        return None
    values = [v for predicted, observed, _, b in full for v in (predicted, observed, b.low, b.high)]
    scale = axis([0.0, *values], bounds=(0.0, 1.0), ticks=4)
    chart = _empty(scale, scale, x_label=x_label, y_label=y_label, size=(300, 290), right=14, percent=True)
    most = max(count for _, _, count, _ in full)
    points = tuple(
        Point(
            _x(chart, scale, predicted),
            _y(chart, scale, observed),
            2.5 + 4.0 * math.sqrt(count / most),
            f"predicted {predicted:.1%}, observed {observed:.1%}, {count} cases",
            None if b.low is None else _y(chart, scale, b.low),
            None if b.high is None else _y(chart, scale, b.high),
        )
        for predicted, observed, count, b in full
    )
    text = "; ".join(p.title for p in points)
    dropped = sum(b.count is None or b.count > 0 for b in bins) - len(full)
    return replace(chart, points=points, diagonal=True, text=text, dropped=dropped)


@dataclass(frozen=True)
class Series:
    """Named values over the positions of a line chart; None leaves a gap."""

    name: str
    tone: str
    shape: str
    values: tuple[float | None, ...]


def lines(
    series: Sequence[Series],
    positions: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    say: Callable[[float], str],
    tick: Callable[[float], str] | None = None,
    from_zero: bool = False,
) -> Chart | None:
    """Lines over evenly spaced, named positions; None where there is nothing to draw.

    `say` prints a value, `tick` an axis label (default `say`). A position without a name has neither label nor marks.
    """
    known = [v for s in series for v in s.values if v is not None]
    if not known:
        return None
    scale_x = Axis(0.0, float(max(len(positions) - 1, 1)), tuple(float(i) for i in range(len(positions))))
    scale_y = axis([*known, 0.0] if from_zero else known, ticks=4)
    room = 20 + 7.5 * max(len(s.name) for s in series)  # for the names at the line ends
    chart = _empty(scale_x, scale_y, x_label=x_label, y_label=y_label, size=(400, 240), right=room, say=tick or say)
    chart = replace(chart, x_ticks=tuple((_x(chart, scale_x, i), name) for i, name in enumerate(positions)))
    drawn = []
    for one in series:
        points = tuple(
            Point(
                _x(chart, scale_x, i),
                _y(chart, scale_y, v),
                4.0,
                f"{one.name}, {positions[i] or i + 1}: {say(v)}",
                drawn=bool(positions[i]),
            )
            for i, v in enumerate(one.values)
            if v is not None
        )
        if points:
            drawn.append(Line(one.name, one.tone, one.shape, points, points[-1].y))
    text = "; ".join(p.title for line in drawn for p in line.points)
    return replace(chart, lines=_apart(drawn), text=text)


def _apart(drawn: Sequence[Line], gap: float = 15.0) -> tuple[Line, ...]:
    """Move end labels down until none overlaps the one above."""
    moved: dict[str, Line] = {}
    last = -math.inf
    for line in sorted(drawn, key=lambda one: one.label_y):
        last = max(line.label_y, last + gap)
        moved[line.name] = Line(line.name, line.tone, line.shape, line.points, last)
    return tuple(moved[line.name] for line in drawn)


def _empty(
    scale_x: Axis, scale_y: Axis, *, x_label: str, y_label: str, size: tuple[int, int], right: float,
    percent: bool = False, say: Callable[[float], str] | None = None,
) -> Chart:  # fmt: skip
    width, height = size
    name = say or ((lambda v: f"{v * 100:.10g}") if percent else (lambda v: f"{v:.10g}"))
    chart = Chart(width, height, 64, 10, width - right, height - 42, x_label, y_label, (), (), "")
    return replace(
        chart,
        x_ticks=tuple((_x(chart, scale_x, t), name(t)) for t in scale_x.ticks),
        y_ticks=tuple((_y(chart, scale_y, t), name(t)) for t in scale_y.ticks),
    )


def _x(chart: Chart, scale: Axis, value: float) -> float:
    return round(chart.left + _share(scale, value) * (chart.right - chart.left), 2)


def _y(chart: Chart, scale: Axis, value: float) -> float:
    return round(chart.bottom - _share(scale, value) * (chart.bottom - chart.top), 2)


def _share(scale: Axis, value: float) -> float:
    return (min(max(value, scale.low), scale.high) - scale.low) / (scale.high - scale.low)
