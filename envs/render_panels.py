"""The panels of the bedside view: a feature over time, a drug over time, and where the stay ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..contracts import DIED, Drug, Feature
from . import render_style as style
from .render import Artist, Axes, Polygon, Rectangle, add_bars, add_line, add_name, add_patch, add_value, set_values
from .render_course import Array, Course
from .render_layout import dose_ticks, dose_top, value_limits, value_ticks

POINT: dict[str, Any] = {"marker": "o", "ls": "none", "color": style.VALUE}
HOLLOW: dict[str, Any] = {**POINT, "mfc": style.PANEL}
LIMIT: dict[str, Any] = {"color": style.EXCEEDED, "lw": 1.2, "ls": (0, (4, 2))}
ABOVE_LIMIT: dict[str, Any] = {"facecolor": style.EXCEEDED, "hatch": "////"}

_TICK = 26  # pixels from one tick to the next, about


class VitalPanel:
    """One feature: filled points where measured, hollow ones where carried forward, over its reference range."""

    def __init__(self, axes: Axes, feature: Feature, column: int):
        self.axes, self._feature, self._column = axes, feature, column
        self._limits: tuple[float, float] | None = None
        short = feature.name.replace("_", " ")
        self._unit = add_name(axes, [feature.label or short, short], feature.unit)
        if feature.scale == "log":
            axes.set_yscale("log")
        if feature.scale != "category":
            axes.axhspan(*feature.reference, color=style.REFERENCE, lw=0, zorder=0)
        self._value = add_value(axes)
        self._end = _End(axes)
        self._expected = Polygon(np.zeros((1, 2)), color=style.EXPECTED, alpha=0.26, lw=0)
        add_patch(axes, self._expected)
        self._other = add_line(axes, color=style.GHOST, lw=1.3)
        self._path = add_line(axes, color=style.VALUE, lw=1.1)
        self._carried = add_line(axes, ms=3.6, clip_on=False, **HOLLOW)
        self._measured = add_line(axes, ms=4.2, clip_on=False, **POINT)

    def fit(self, courses: Sequence[Course]) -> bool:
        """Whether the axis had to move to hold these courses."""
        values = np.concatenate([c.vitals[c.known[:, self._column], self._column] for c in courses])
        limits = value_limits(self._feature, values)
        if limits == self._limits:
            return False
        self._limits = limits
        set_values(self.axes, limits, value_ticks(self._feature, limits, round(self.axes.bbox.height / _TICK)))
        return True

    def update(self, course: Course, other: Course | None = None) -> list[Artist]:
        """Everything that changes, from back to front; a course to compare with is drawn faintly behind."""
        column = self._column
        known, seen, values = course.known[:, column], course.seen[:, column], course.vitals[:, column]
        self._path.set_data(course.time[known], values[known])
        self._carried.set_data(course.time[known & ~seen], values[known & ~seen])
        self._measured.set_data(course.time[seen], values[seen])
        if other is not None:
            at = other.known[:, column]
            self._other.set_data(other.time[at], other.vitals[at, column])
        self._expected.set_xy(_outline(course, column))
        last = np.flatnonzero(known)
        self._value.set_text(self._read(values[last[-1]]) if len(last) else style.NONE)
        self._value.set_color(style.INK if len(last) and seen[last[-1]] else style.MUTED)
        back, front = self._end.update(course)
        return [
            *back, self._expected, self._other, self._path, self._carried, self._measured, *front, self._value
        ]  # fmt: skip

    def _read(self, value: float) -> str:
        levels = self._feature.levels
        return levels[round(value)] if levels else style.amount(value, self._unit)


class DosePanel:
    """One drug: a bar for each interval, hatched where it is above the limit."""

    def __init__(self, axes: Axes, drug: Drug, column: int, course: Course):
        self.axes, self._drug, self._column = axes, drug, column
        self._top: float | None = None
        self._marked = [limit for limit in course.limits if limit.column == column]
        for limit in self._marked:
            axes.plot([limit.after_hours, course.horizon], [limit.limit] * 2, zorder=3, **LIMIT)
        short = drug.name.replace("_", " ")
        self._unit = add_name(axes, [drug.label or short, short], drug.unit)
        self._value = add_value(axes)
        self._end = _End(axes, named=True)
        self._within = add_bars(axes, facecolor=style.DOSE)
        self._above = add_bars(axes, **ABOVE_LIMIT)
        self._other = add_line(axes, color=style.GHOST, lw=1.6)

    def fit(self, courses: Sequence[Course]) -> bool:
        """Whether the axis had to move to hold these courses."""
        given = np.concatenate([c.dose[:, self._column] for c in courses])
        top = dose_top(self._drug, [limit.limit for limit in self._marked], given)
        if top == self._top:
            return False
        self._top = top
        set_values(self.axes, (0.0, top), dose_ticks(top))
        return True

    def update(self, course: Course, other: Course | None = None) -> list[Artist]:
        """Everything that changes, from back to front; the doses of a course to compare with as an outline."""
        if other is not None:
            rates = np.repeat(other.dose[:, self._column], 2)
            self._other.set_data(np.repeat(other.time, 2)[1:-1], rates)
        rate, above = course.dose[:, self._column], course.exceeded[:, self._column]
        bars = [
            [(start, 0.0), (start, height), (end, height), (end, 0.0)]
            for start, end, height in zip(course.time[:-1], course.time[1:], rate, strict=True)
        ]
        self._within.set_verts([bar for bar, high in zip(bars, above, strict=True) if not high])
        self._above.set_verts([bar for bar, high in zip(bars, above, strict=True) if high])
        self._value.set_text(style.amount(float(rate[-1]), self._unit) if len(rate) else style.NONE)
        self._value.set_color(style.EXCEEDED if above[-1:].any() else style.INK)
        back, front = self._end.update(course)
        return [*back, self._within, self._above, self._other, *front, self._value]


class _End:
    """Where the stay ended: a line, solid for death, and nothing but shade behind it."""

    def __init__(self, axes: Axes, *, named: bool = False):
        across = axes.get_xaxis_transform()
        self._right = axes.get_xlim()[1]
        self._shade = Rectangle((0, 0), 1, 1, transform=across, color=style.OVER, lw=0)
        add_patch(axes, self._shade)
        self._line = add_line(axes, color=style.INK, transform=across)
        self._name = axes.text(0, 0.94, "", transform=across, va="top", fontsize=8, color=style.INK, animated=True)
        self._named = named

    def update(self, course: Course) -> tuple[list[Artist], list[Artist]]:
        """What lies behind the values, and what before them."""
        if not course.ended:
            return [], []
        end, died = float(course.time[-1]), course.outcome == DIED
        self._shade.set_bounds(end, 0, self._right - end, 1)
        self._line.set_data([end, end], [0, 1])
        self._line.set(lw=1.8 if died else 1.1, linestyle="-" if died else (0, (1, 1.5)))
        if not self._named:
            return [self._shade], [self._line]
        early = end < 0.75 * self._right
        self._name.set_text("horizon" if course.truncated else course.spec.outcomes[course.outcome])
        self._name.set(x=end + (0.01 if early else -0.01) * self._right, ha="left" if early else "right")
        return [self._shade], [self._line, self._name]


def _outline(course: Course, column: int) -> Array:
    """The outline (V, 2) of the expected range: from the first value known, over all forecasts, to the next."""
    time = np.append(course.time, course.time[-1] + course.interval)
    ends = np.concatenate([course.expected, course.ahead[-1:]])[:, :, column]
    if course.known[0, column]:
        ends[0] = course.vitals[0, column]
    found = np.isfinite(ends[:, 0])
    if found.sum() < 2:
        return np.zeros((1, 2))
    there, back = np.stack([time, ends[:, 0]], 1)[found], np.stack([time, ends[:, 1]], 1)[found]
    return np.concatenate([there, back[::-1]])
