"""What an environment shows: the course of its patient, drawn when asked for, or in a window as it goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from ..contracts import PatientState, Step, Treatment
from . import render_style as style
from .render_course import Course, admitted, followed

if TYPE_CHECKING:
    from .render import Frame, Window
    from .render_bedside import Bedside

MODES = ("human", "rgb_array")
_log = logging.getLogger(__name__)


class Screen:
    """Follows one patient at a time; loads matplotlib only when the first picture is asked for."""

    def __init__(self, treatment: Treatment, mode: str):
        if mode not in MODES:
            raise ValueError(f"render_mode: expected one of {', '.join(MODES)}, or None, got {mode!r}")
        self._treatment = treatment
        self._mode = mode
        self._course: Course | None = None
        self._bedside: Bedside | None = None
        self._window: Window | Literal["not opened", "impossible"] = "not opened"

    def admit(self, state: PatientState) -> None:
        """A new patient."""
        self._course = admitted(self._treatment, state)
        self._refresh()

    def follow(self, before: PatientState, step: Step) -> None:
        """One decision later."""
        assert self._course is not None
        self._course = followed(self._course, self._treatment, before, step)
        self._refresh()

    def picture(self) -> Frame | None:
        """The stay so far (700, 1000, 3) uint8; None where a window shows it."""
        if self._course is None:
            raise RuntimeError("expected a patient to draw: call reset() first")
        return self._draw(self._course) if self._mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        if not isinstance(self._window, str):
            self._window.close()
        self._window = "not opened"

    def _draw(self, course: Course) -> Frame:
        from .render_bedside import Bedside

        if self._bedside is None:
            self._bedside = Bedside([course], title="Simulated patient")
        return self._bedside.draw([course])

    def _refresh(self) -> None:
        """Bring the window up to date; without a screen, say so once and go on."""
        if self._mode != "human" or self._window == "impossible":
            return
        from .render import Window

        if self._window == "not opened":
            try:
                self._window = Window(style.SIZE, "Posology")
            except RuntimeError as error:
                _log.warning("%s: nothing is shown; use render_mode='rgb_array' for pictures", error)
                self._window = "impossible"
                return
        assert self._course is not None and not isinstance(self._window, str)
        self._window.show(self._draw(self._course))
