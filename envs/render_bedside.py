"""The bedside view: vitals over their reference ranges, doses as bars, and how the stay went."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts import Feature
from . import render_style as style
from .render import Artist, Canvas, Frame, Line2D, Patch, Text
from .render_course import Course
from .render_layout import Sheet, sheets
from .render_panels import ABOVE_LIMIT, HOLLOW, LIMIT, POINT, DosePanel, VitalPanel
from .render_picture import PicturePanel

_CHARACTER = 6.5  # pixels, of the small text


class Bedside:
    """A picture of one course, or of several `names` side by side, the first drawn faintly behind the others.

    All later courses must be of the same spec, horizon and limits as these.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        title: str,
        names: Sequence[str] = (),
        size: tuple[int, int] = style.SIZE,
    ):
        self._canvas = Canvas(size)
        first = courses[0]
        pictured = first.pictures is not None
        self._columns = [c for c, f in enumerate(first.spec.features) if not (pictured and _embedding(f))]
        places = sheets(size, len(courses), len(self._columns), len(first.spec.drugs), picture=pictured)
        self._pictures: list[PicturePanel] = []
        self._vitals: list[tuple[VitalPanel, int]] = []
        self._doses: list[tuple[DosePanel, int]] = []
        for number, place in enumerate(places):
            self._add_panels(place, number, first)
        hidden = len(self._columns) - len(places[0].vitals)
        left, right = places[0].head.left, size[0] - places[0].head.left
        note = style.NOTICE + (f" {hidden} more features are not shown." if hidden else "")
        self._canvas.write((left, 24), title, color=style.INK, fontsize=15, fontweight="bold")
        self._canvas.write((right, 24 if names else 47), note, color=style.MUTED, fontsize=9, ha="right")
        self._patient = self._canvas.write((left, 47), "", color=style.MUTED, fontsize=9, animated=True)
        self._room = int((right - left) / _CHARACTER) - (2 if names else len(note) + 2)
        self._status = [self._heading(place, names[i] if names else "") for i, place in enumerate(places)]
        self._canvas.legend(_legend(first, f"under the {names[0].lower()}" if len(names) > 1 else ""))

    def draw(self, courses: Sequence[Course], whole: Sequence[Course] | None = None) -> Frame:
        """A picture of the courses so far; axes have room for the `whole` ones, where these are known already."""
        panels = [panel for panel, _ in self._vitals] + [panel for panel, _ in self._doses]
        self._canvas.repaint([panel.axes for panel in panels if panel.fit(whole or courses)])
        changing: list[Artist] = [self._patient, *self._status]
        self._patient.set_text(_shortened(courses[0].patient, self._room))
        for text, course in zip(self._status, courses, strict=True):
            text.set_text(course.status)
            text.set(color=style.INK if course.ended else style.MUTED, fontweight="bold" if course.ended else "normal")
        for picture, course in zip(self._pictures, courses, strict=False):
            changing += picture.update(course)
        for vital, number in self._vitals:
            changing += vital.update(courses[number], courses[0] if number else None)
        for dose, number in self._doses:
            changing += dose.update(courses[number], courses[0] if number else None)
        return self._canvas.paint(changing)

    def _add_panels(self, place: Sheet, number: int, first: Course) -> None:
        """The panels of sheet `number`."""
        if place.picture is not None:
            self._pictures.append(PicturePanel(self._canvas, place.picture))
        for panel, (column, box) in enumerate(zip(self._columns, place.vitals, strict=False)):
            axes = self._canvas.axes(box, first.horizon, hours=panel in place.hours)
            self._vitals.append((VitalPanel(axes, first.spec.features[column], column), number))
        for column, box in enumerate(place.doses):
            axes = self._canvas.axes(box, first.horizon, hours=True)
            self._doses.append((DosePanel(axes, first.spec.drugs[column], column, first), number))

    def _heading(self, place: Sheet, name: str) -> Text:
        """Who treats, left, and how the stay stands, right: on one line, where there are several."""
        height = place.head.top + 16 if name else 24
        if name:
            self._canvas.write((place.head.left, height), name, color=style.INK, fontsize=12.5)
        right = place.head.left + place.head.width
        return self._canvas.write((right, height), "", fontsize=11, ha="right", animated=True)


def _embedding(feature: Feature) -> bool:
    """Whether a feature tells only a network anything; where there is a picture, that is shown instead."""
    return feature.source == "image" and (feature.low, feature.high) == (-1.0, 1.0)


def _legend(course: Course, compared: str) -> list[tuple[Artist, str]]:
    """What the marks mean."""
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], ms=5, **POINT), "measured"),
        (Line2D([], [], ms=4.4, **HOLLOW), "carried forward"),
        (Patch(color=style.REFERENCE), "reference range"),
    ]
    if course.forecasts:
        text = f"expected one decision before (mean ± {style.SPREAD:g} SD)"
        entries.append((Patch(color=style.EXPECTED, alpha=0.3, lw=0), text))
    if compared:
        entries.append((Line2D([], [], color=style.GHOST, lw=1.6), compared))
    if course.limits:
        entries.append((Line2D([], [], **LIMIT), "dose limit"))
        entries.append((Patch(edgecolor=style.PANEL, **ABOVE_LIMIT), "above the limit"))
    return entries


def _shortened(text: str, room: int) -> str:
    """The text, or as many of its parts as fit into `room` characters."""
    return text if len(text) <= room else text[: room - 3].rpartition("  ·  ")[0] + "  ·  …"
