"""Geometry of a band that widens with a factor: bounds within their interval, around a horizontal reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .figures import Axis, axis

_WIDTH, _HEIGHT = 484, 280
_LEFT, _TOP, _RIGHT, _BOTTOM = 64.0, 14.0, 372.0, 232.0
_NAMED = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0)  # factors with a label
_APART = 14.0  # of labels at the right end

Pair = tuple[float | None, float | None]


@dataclass(frozen=True)
class Label:
    """A name at the right end of what it names."""

    y: float
    text: str
    tone: str


@dataclass(frozen=True)
class BandChart:
    """A plot area (left, top, right, bottom) in a view box of `width` x `height`; paths are SVG points."""

    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    outer: str  # polygon of the interval
    inner: str  # polygon of the bounds
    edges: tuple[str, ...]  # polylines of the bounds
    dashed: tuple[str, ...]  # polylines of other bounds
    start: tuple[float, float, float] | None  # x, and the ends of the interval where nothing is hidden
    middle: float | None  # y of the estimate there
    zero: float  # y of no difference
    level: float | None  # y of the truth
    tips: tuple[tuple[float, str], ...]  # where the reference is reached: x, and what that means
    labels: tuple[Label, ...]
    y_label: str
    text: str  # what a reader who cannot see it is told
    width: int = _WIDTH
    height: int = _HEIGHT
    left: float = _LEFT
    top: float = _TOP
    right: float = _RIGHT
    bottom: float = _BOTTOM


def band_chart(
    factors: Sequence[float],
    *,
    bounds: Sequence[Pair],
    interval: Sequence[Pair],
    dashed: Sequence[Pair] = (),
    level: float | None = None,
    tips: Sequence[tuple[float, str]] = (),
    say: Callable[[float], str],
    tick: Callable[[float], str],
    y_label: str,
) -> BandChart | None:
    """Differences against a factor on a logarithmic axis; None without two factors that have bounds."""
    if len(_both(factors, bounds)) < 2:
        return None
    everything = [v for pairs in (bounds, interval, dashed) for pair in pairs for v in pair]
    scale = axis([*everything, 0.0, level], ticks=5)
    x, y = _Across(factors[0], factors[-1]), _Up(scale)
    inner, outer = _both(factors, bounds), _both(factors, interval)
    other, first = _both(factors[: len(dashed)], dashed), bounds[0][0]
    whisker = None if None in interval[0] else (x.at(factors[0]), y.at(interval[0][0]), y.at(interval[0][1]))
    truth = None if level is None else y.at(level)
    labels = [Label(y.at(0.0), "clinicians", "clinician")]
    labels += [] if truth is None or level is None else [Label(truth, f"true {say(level)}", "truth")]
    return BandChart(
        x_ticks=tuple((x.at(g), f"{g:g}") for g in _NAMED if factors[0] <= g <= factors[-1]),
        y_ticks=tuple((y.at(t), tick(t)) for t in scale.ticks),
        outer=_polygon(outer, x, y),
        inner=_polygon(inner, x, y),
        edges=_edges(inner, x, y),
        dashed=_edges(other, x, y) if other else (),
        start=whisker,
        middle=None if first is None else y.at(first),
        zero=y.at(0.0),
        level=truth,
        tips=tuple((x.at(g), name) for g, name in tips if g <= factors[-1]),
        labels=_spread(labels),
        y_label=y_label,
        text="; ".join(f"factor {g:g}: {say(low)} to {say(high)}" for g, (low, high) in inner),
    )


@dataclass(frozen=True)
class _Across:
    """Positions of factors, by their logarithm."""

    low: float
    high: float

    def at(self, factor: float) -> float:
        share = math.log(factor / self.low) / math.log(self.high / self.low)
        return round(_LEFT + share * (_RIGHT - _LEFT), 2)


@dataclass(frozen=True)
class _Up:
    """Positions of differences."""

    scale: Axis

    def at(self, value: float | None) -> float:
        share = ((value or 0.0) - self.scale.low) / (self.scale.high - self.scale.low)
        return round(_BOTTOM - share * (_BOTTOM - _TOP), 2)


def _both(factors: Sequence[float], pairs: Sequence[Pair]) -> list[tuple[float, tuple[float, float]]]:
    """Where both ends are known."""
    return [(g, (a, b)) for g, (a, b) in zip(factors, pairs, strict=True) if a is not None and b is not None]


def _polygon(ends: Sequence[tuple[float, tuple[float, float]]], x: _Across, y: _Up) -> str:
    below = [(x.at(g), y.at(low)) for g, (low, _) in ends]
    above = [(x.at(g), y.at(high)) for g, (_, high) in ends]
    return _path(below + above[::-1])


def _edges(ends: Sequence[tuple[float, tuple[float, float]]], x: _Across, y: _Up) -> tuple[str, ...]:
    """Both ends, each as a line."""
    return tuple(_path([(x.at(g), y.at(pair[end])) for g, pair in ends]) for end in (0, 1))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)


def _spread(labels: Sequence[Label]) -> tuple[Label, ...]:
    """Labels moved apart, the lower one down."""
    placed: list[Label] = []
    for label in sorted(labels, key=lambda one: one.y):
        least = placed[-1].y + _APART if placed else -math.inf
        placed.append(Label(max(label.y, least), label.text, label.tone))
    return tuple(placed)
