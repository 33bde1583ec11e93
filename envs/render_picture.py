"""The last picture of a patient in the bedside view, and how old it is."""

from __future__ import annotations

import numpy as np

from . import render_style as style
from .render import Artist, Canvas
from .render_course import Course
from .render_layout import ABOVE, Box


class PicturePanel:
    """The picture as the environment shows it to policies that read pixels."""

    def __init__(self, canvas: Canvas, box: Box):
        self._image = canvas.image(box)
        height = box.top - ABOVE / 2
        canvas.write((box.left, height), "Last picture", color=style.INK, fontsize=8)
        self._age = canvas.write((box.left + box.width, height), "", fontsize=8, ha="right", animated=True)

    def update(self, course: Course) -> list[Artist]:
        """Everything that changes."""
        if course.pictures is None or course.picture_age is None:
            return []
        picture, hours = course.pictures[-1], float(course.picture_age[-1])
        self._image.set_data(picture)
        self._image.set_extent((-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5))
        self._age.set_text(taken(hours, course.horizon))
        self._age.set_color(style.INK if np.isclose(hours, 0) else style.MUTED)
        return [self._image, self._age]


def taken(hours: float, horizon: float) -> str:
    """How long ago, as a person tells it."""
    if np.isclose(hours, 0):
        return "now"
    size, unit = (style.DAY, "days") if horizon > style.DAYS else (1.0, "h")
    return f"{style.number(hours / size)} {unit} ago"
