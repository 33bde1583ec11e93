"""Geometry of the bedside view: where each panel lies, and which values and hours its axes show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..contracts import Drug, Feature
from .render_course import Array
from .render_style import DAY, DAYS, number

_MARGIN = 20.0  # pixels around the figure
_GAP = 34.0  # between two sheets
_HEAD = 60.0  # title and patient
_SHEET_HEAD = 36.0  # who treats, where there are two
_FOOT = 34.0  # legend
LEFT, ABOVE, RIGHT = 34.0, 20.0, 10.0  # around the axes of a panel: ticks, name, air
AIR = 8.0  # below it
HOURS = 16.0  # ... and the labels of the hours, where there are any
_DOSES = 0.19  # share of the height for the drugs
_PICTURE = 0.28  # share of the width for the last picture
_SHAPE = 1.9  # width of a panel over its height, aimed at
_LEAST = (128.0, 62.0)  # smallest panel that can be read


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels from the top left."""

    left: float
    top: float
    width: float
    height: float

    def within(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Left, bottom, width and height as shares of a figure."""
        width, height = size
        return self.left / width, 1 - (self.top + self.height) / height, self.width / width, self.height / height


@dataclass(frozen=True)
class Sheet:
    """Where one patient's panels lie: the axes of each, without their ticks and names."""

    head: Box
    vitals: tuple[Box, ...]  # as many of the features as can be read
    doses: tuple[Box, ...]
    hours: frozenset[int]  # vitals panels with nothing below, which carry the hours
    picture: Box | None = None  # square, right of the vitals


def sheets(size: tuple[int, int], count: int, features: int, drugs: int, *, picture: bool = False) -> tuple[Sheet, ...]:
    """One sheet for each of `count` courses, beside each other on a figure of `size` pixels."""
    width = (size[0] - 2 * _MARGIN - (count - 1) * _GAP) / count
    top = _HEAD + (_SHEET_HEAD if count > 1 else 0)
    return tuple(
        _sheet(Box(_MARGIN + i * (width + _GAP), top, width, size[1] - top - _FOOT), features, drugs, picture)
        for i in range(count)
    )


def _sheet(area: Box, features: int, drugs: int, picture: bool) -> Sheet:
    below = max(area.height * _DOSES, 90.0)
    above = area.height - below - HOURS
    side = min(_PICTURE * area.width, above - ABOVE) if picture else 0.0
    room = area.width - side - (RIGHT if picture else 0.0)
    rows, columns = _grid(room, above, features)
    shown = min(features, rows * columns)
    cells = [
        Box(area.left + c * room / columns, area.top + r * above / rows, room / columns, above / rows)
        for r, c in (divmod(i, columns) for i in range(shown))
    ]
    across = max(drugs, 1)
    doses = [
        Box(area.left + d * area.width / across, area.top + area.height - below, area.width / across, below - HOURS)
        for d in range(drugs)
    ]
    return Sheet(
        head=Box(area.left, area.top - _SHEET_HEAD, area.width, _SHEET_HEAD),
        vitals=tuple(map(_axes, cells)),
        doses=tuple(map(_axes, doses)),
        hours=frozenset(range(max(shown - columns, 0), shown)),
        picture=Box(area.left + area.width - side, area.top + ABOVE, side, side) if picture else None,
    )


def _axes(cell: Box) -> Box:
    return Box(cell.left + LEFT, cell.top + ABOVE, cell.width - LEFT - RIGHT, cell.height - ABOVE - AIR)


def _grid(width: float, height: float, panels: int) -> tuple[int, int]:
    """Rows and columns whose cells come nearest to the shape aimed at, none too small to read."""
    most = max(int(width // _LEAST[0]), 1)
    highest = max(int(height // _LEAST[1]), 1)

    def misfit(columns: int) -> float:
        rows = math.ceil(panels / columns)
        empty = rows * columns - panels
        return abs(math.log(width / columns / (height / rows) / _SHAPE)) + 0.1 * empty + max(rows - highest, 0)

    columns = min(range(1, min(most, max(panels, 1)) + 1), key=misfit)
    return min(max(math.ceil(panels / columns), 1), highest), columns


def value_limits(feature: Feature, values: Array) -> tuple[float, float]:
    """The ends of a feature's axis: around its reference range, wider in steps where `values` (V,) lie beyond.

    Ends move in steps of half the range, so that a figure drawn again and again rarely moves its axes.
    """
    if feature.scale == "category":
        top = max([len(feature.levels) - 1.0, 1.0, *values])
        return -0.5, top + 0.5
    ends = _on_axis(feature, np.array(feature.reference))
    step = max(float(ends[1] - ends[0]) / 2, 1e-6)
    known = _on_axis(feature, values)
    below = max(math.ceil(float(ends[0] - known.min()) / step + 0.1), 1) if len(known) else 1
    above = max(math.ceil(float(known.max() - ends[1]) / step + 0.1), 1) if len(known) else 1
    low, high = float(ends[0]) - below * step, float(ends[1]) + above * step
    if feature.scale == "log":
        return math.exp(low), math.exp(high)
    pad = 0.05 * (high - low)  # room for a point on a physical bound
    return max(low, feature.low - pad), min(high, feature.high + pad)


def _on_axis(feature: Feature, values: Array) -> Array:
    if feature.scale != "log":
        return values
    floor = max(feature.low, feature.reference[0] / 100)
    return np.log(np.maximum(values, floor))


def value_ticks(feature: Feature, limits: tuple[float, float], count: int) -> list[tuple[float, str]]:
    """About `count` round values within the limits, and how they read; the names of a category's levels."""
    most = min(max(count, 3), 4)
    if feature.scale == "category":
        return [(float(i), name) for i, name in enumerate(feature.levels)]
    if feature.scale == "log":
        ticks = [m * 10.0**p for p in range(-6, 7) for m in (1, 2, 5)]
        ticks = [t for t in ticks if limits[0] <= t <= limits[1]]
        ticks = ticks[:: max(math.ceil(len(ticks) / most), 1)]
    else:
        ticks = _round(max(limits[0], feature.low), min(limits[1], feature.high), most)
    return [(t, number(t)) for t in ticks]


def dose_top(drug: Drug, limits: Sequence[float], doses: Array) -> float:
    """The upper end of a drug's axis: its highest level, limit, or dose given."""
    highest = max([*drug.levels[-1:], *limits, *doses.tolist()], default=drug.high)
    return (highest or drug.high) * 1.12


def dose_ticks(top: float) -> list[tuple[float, str]]:
    """Round rates from 0 to `top`."""
    return [(t, number(t)) for t in _round(0.0, top, 3)]


_STEPS = (1.0, 2.0, 4.0, 6.0, 12.0, 24.0, 48.0, 96.0)  # hours
_DAY_STEPS = (2.0, 7.0, 14.0, 28.0, 56.0, 91.0, 182.0, 364.0)
_TIGHT = 130.0  # pixels: in a narrower panel only the ends of the time axis are named


def time_ticks(horizon: float, width: float = 1e9) -> list[tuple[float, str]]:
    """Round times in hours and how they read: in days or weeks of days where the stay is long, in hours elsewhere."""
    size, steps, mark = (DAY, _DAY_STEPS, "d") if horizon > DAYS else (1.0, _STEPS, "h")
    whole = horizon / size
    step = next((s for s in steps if whole / s <= 4.5), whole / 4)
    at = [i * step for i in range(int(whole / step + 1e-6) + 1)]
    named = {at[0], at[-1]} if width < _TIGHT else set(at)
    texts = [(f"{x:g} {mark}" if x == at[-1] else f"{x:g}") if x in named else "" for x in at]
    return [(x * size, text) for x, text in zip(at, texts, strict=True)]


def _round(low: float, high: float, count: int) -> list[float]:
    """About `count` multiples of 1, 2, 2.5 or 5 times a power of ten between the two."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    start, stop = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(start, stop + 1)]
