"""Geometry of the page's figures: numbers in, positions out; the templates draw them as inline SVG.

Strips (dumbbells, intervals, dots) are placed in percent of their own width, so that they reflow on a narrow screen
while text keeps its size; square plots use a fixed view box. Colours are CSS variables and follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MARGIN = 2.5  # percent of the strip kept free on each side for marks


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high` in data units, drawn from MARGIN to 100 - MARGIN percent."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Position in percent; a value off the scale sits at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (100 - 2 * MARGIN), 3)

    def holds(self, value: float) -> bool:
        """The value lies on the scale."""
        return self.low <= value <= self.high


def axis(values: Iterable[float | None], *, bounds: tuple[float, float] | None = None, ticks: int = 5) -> Axis:
    """Round limits around `values`, never beyond `bounds`; around zero where there are none."""
    known = [v for v in values if v is not None and math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    if high - low <= 0:
        pad = abs(low) * 0.1 or 0.05
        low, high = low - pad, high + pad
    step = _step((high - low) / ticks)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    start -= round(start * step, 10) > low  # the tolerance above is for rounding only, never to leave a value out
    stop += round(stop * step, 10) < high
    marks = tuple(round(i * step, 10) for i in range(start, stop + 1))
    return Axis(marks[0], marks[-1], marks)


def _step(raw: float) -> float:
    """The next round step (1, 2, 2.5 or 5 times a power of ten) at or above `raw`."""
    power = 10.0 ** math.floor(math.log10(raw))
    return float(next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9)))


@dataclass(frozen=True)
class Mark:
    """One mark of a strip; `shape` circle, ring, square, diamond or bar, `tone` a CSS class."""

    x: float  # percent
    shape: str
    tone: str
    low: float | None = None  # whisker, percent
    high: float | None = None
    title: str = ""
    lane: int = 0  # vertical offset in px
    off: int = 0  # -1 or 1: the value lies beyond that end of the axis


def mark(
    scale: Axis, value: float | None, shape: str, tone: str, *, low: float | None = None, high: float | None = None,
    title: str = "", lane: int = 0,
) -> tuple[Mark, ...]:  # fmt: skip
    """The mark of a value with its whisker, or nothing where there is no value."""
    if value is None:
        return ()
    off = 0 if scale.holds(value) else -1 if value < scale.low else 1
    ends = (None, None) if low is None or high is None else (scale.at(low), scale.at(high))
    return (Mark(scale.at(value), shape, tone, ends[0], ends[1], title, lane, off),)


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map: its text, and how opaque its colour is (0..1)."""

    text: str
    opacity: float
    tone: str  # "heat", or for differences "more", "less"
    title: str

    @property
    def dark(self) -> bool:
        """The colour is strong enough to need light text."""
        return self.opacity > (0.85 if self.tone == "less" else 0.7)


def heat(shares: Sequence[Sequence[float]], top: float, titles: Sequence[Sequence[str]]) -> list[list[Cell]]:
    """Shares as colour; opacity follows the square root, so that rare doses stay visible; `top` is the full colour."""
    return [
        [
            Cell(_cell_text(share), math.sqrt(min(share / top, 1.0)) if top > 0 else 0.0, "heat", title)
            for share, title in zip(row, names, strict=True)
        ]
        for row, names in zip(shares, titles, strict=True)
    ]


def heat_difference(
    shares: Sequence[Sequence[float]], reference: Sequence[Sequence[float]], titles: Sequence[Sequence[str]]
) -> list[list[Cell]]:
    """Shares minus reference shares: "more" and "less" differ in hue and in the printed sign."""
    rows = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(shares, reference, strict=True)]
    top = max((abs(d) for row in rows for d in row), default=0.0) or 1.0
    return [
        [
            Cell(_cell_text(d, sign=True), math.sqrt(abs(d) / top), "more" if d > 0 else "less", title)
            for d, title in zip(row, names, strict=True)
        ]
        for row, names in zip(rows, titles, strict=True)
    ]


def _cell_text(share: float, sign: bool = False) -> str:
    """Whole percent; nothing for what rounds to zero."""
    whole = round(share * 100)
    if whole == 0:
        return "" if abs(share) < 0.0005 else "·"
    return f"{whole:+d}".replace("-", "−") if sign else str(whole)


@dataclass(frozen=True)
class StripRow:
    """One row of a strip figure: name, marks, and the numbers that say the same in text."""

    label: str
    marks: tuple[Mark, ...]
    cells: tuple[str, ...]  # one per column of the figure
    text: str  # for readers who cannot see the strip
    note: str = ""  # small print under the label
    link: tuple[float, float] | None = None  # a line between two marks, percent
    strong: bool = False


@dataclass(frozen=True)
class Key:
    """One entry of a legend."""

    shape: str
    tone: str
    label: str


@dataclass(frozen=True)
class StripFigure:
    """Rows on one axis, a dashed reference line, numbers to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[StripRow, ...]
    ticks: tuple[tuple[float, str], ...]
    keys: tuple[Key, ...] = ()
    reference: float | None = None  # percent
    reference_label: str = ""
