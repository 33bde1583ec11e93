"""All of matplotlib that the bedside view needs: canvas, axes and marks, a window, an animation.

One figure is drawn again and again: what stays (axes, ranges, names) is painted once and kept as a background, what
changes is painted over it, so that a frame takes a small part of the time of a whole figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from . import render_style as style
from .render_layout import ABOVE, AIR, HOURS, LEFT, RIGHT, Box, time_ticks

__all__ = ["Artist", "Axes", "AxesImage", "Frame", "Line2D", "Patch", "PolyCollection", "Polygon", "Rectangle", "Text"]

_LETTER, _DIGITS = 6.4, 6  # pixels of a letter, and digits kept above a panel for its latest value
_LIFT = 2  # pixels between a panel and its name

Frame = NDArray[np.uint8]  # (height, width, 3)


class Canvas:
    """A figure of fixed size in pixels, with its background."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.figure = Figure(figsize=(size[0] / style.DPI, size[1] / style.DPI), dpi=style.DPI, facecolor=style.PAPER)
        self._agg: Any = FigureCanvasAgg(self.figure)
        self._background: Any = None

    def repaint(self, moved: Sequence[Axes]) -> None:
        """Paint the background: all of it at first, then only the panels whose axes have moved."""
        if self._background is None:
            self._agg.draw()
        elif moved:
            self._agg.restore_region(self._background)
            for each in moved:
                self.figure.draw_artist(_cover(each))
                self.figure.draw_artist(each)
        else:
            return
        self._background = self._agg.copy_from_bbox(self.figure.bbox)

    def paint(self, changing: Iterable[Artist]) -> Frame:
        """The background and what changes over it, from back to front."""
        self._agg.restore_region(self._background)
        for artist in changing:
            self.figure.draw_artist(artist)
        frame: Frame = np.asarray(self._agg.buffer_rgba())[..., :3].copy()
        return frame

    def write(self, at: tuple[float, float], text: str, **look: Any) -> Text:
        """Text centred at a height, in pixels from the top left."""
        return self.figure.text(at[0] / self.size[0], 1 - at[1] / self.size[1], text, va="center", **look)

    def axes(self, box: Box, horizon: float, *, hours: bool) -> Axes:
        """Quiet axes of hours 0 to the horizon, labelled where nothing lies below."""
        made = self.figure.add_axes(box.within(self.size), facecolor=style.PANEL)
        made.set_xlim(-0.02 * horizon, 1.03 * horizon)
        ticks = time_ticks(horizon, box.width)
        made.set_xticks([at for at, _ in ticks], [text if hours else "" for _, text in ticks])
        made.grid(axis="x", color=style.HAIR, lw=0.8)
        made.set_axisbelow(True)
        made.tick_params(length=0, labelsize=7.5, labelcolor=style.MUTED, pad=3)
        for side in ("top", "right", "left"):
            made.spines[side].set_visible(False)
        made.spines["bottom"].set_color(style.LINE)
        return made

    def image(self, box: Box) -> AxesImage:
        """A grey picture that changes, black where there is none yet."""
        made = self.figure.add_axes(box.within(self.size))
        made.set_axis_off()
        return made.imshow(np.zeros((2, 2), np.uint8), cmap="gray", vmin=0, vmax=255, aspect="auto", animated=True)

    def legend(self, entries: Sequence[tuple[Artist, str]]) -> None:
        """What the marks mean, along the foot of the figure."""
        self.figure.legend(
            [mark for mark, _ in entries],
            [label for _, label in entries],
            loc="lower left",
            bbox_to_anchor=(14 / self.size[0], 0),
            ncol=len(entries),
            frameon=False,
            fontsize=8,
            labelcolor=style.MUTED,
            handlelength=1.3,
            columnspacing=1.6,
            handletextpad=0.5,
        )


def _cover(axes: Axes) -> Rectangle:
    """Paper over a panel with its name, ticks and hours."""
    box = axes.bbox
    below = AIR + (HOURS if axes.get_xticklabels()[0].get_text() else 0)
    size = (box.width + LEFT + RIGHT, box.height + ABOVE + below)
    return Rectangle((box.x0 - LEFT, box.y0 - below), *size, transform=None, color=style.PAPER, lw=0)


def set_values(axes: Axes, limits: tuple[float, float], ticks: Sequence[tuple[float, str]]) -> None:
    """The ends of the axis of values, and its only ticks."""
    axes.set_ylim(*limits)
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_yticks([], minor=True)


def add_name(axes: Axes, names: Sequence[str], unit: str) -> str:
    """What the panel shows, above its ticks and axes: the first name that leaves room for a value in its unit.

    Where none does, the unit goes, then the last name is shortened; returns the unit that is left.
    """
    at = offset_copy(axes.transAxes, x=4 - LEFT, y=_LIFT, units="dots")
    written = axes.text(0, 1, names[0], transform=at, va="bottom", fontsize=8, color=style.INK)
    cut = [style.shortened(names[-1], n) for n in range(len(names[-1]) - 1, 2, -1)]
    for text, left in [*((name, unit) for name in names), *((name, "") for name in [*names, *cut])]:
        written.set_text(text)
        room = axes.bbox.width + LEFT - _LETTER * (_DIGITS + len(style.unit(left)))
        if written.get_window_extent().width <= room:
            return left
    return ""


def add_value(axes: Axes) -> Text:
    """The latest value, right above the panel."""
    at = offset_copy(axes.transAxes, y=_LIFT, units="dots")
    return axes.text(1, 1, "", transform=at, va="bottom", ha="right", fontsize=8, animated=True)


def add_line(axes: Axes, **look: Any) -> Line2D:
    """A line or points that change."""
    return axes.plot([], [], animated=True, **look)[0]


def add_patch(axes: Axes, patch: Polygon | Rectangle) -> None:
    """An area that changes."""
    patch.set_animated(True)
    axes.add_patch(patch)


def add_bars(axes: Axes, **look: Any) -> PolyCollection:
    """Bars that change."""
    bars = PolyCollection([], edgecolor=style.PANEL, lw=0.8, zorder=2, animated=True, **look)
    axes.add_collection(bars, autolim=False)
    return bars


class Window:
    """A window on the screen that shows frames; RuntimeError where there is no screen."""

    def __init__(self, size: tuple[int, int], name: str):
        self._figure = plt.figure(num=name, figsize=(size[0] / style.DPI, size[1] / style.DPI), dpi=style.DPI)
        if self._figure.canvas.required_interactive_framework is None:
            plt.close(self._figure)
            raise RuntimeError(f"matplotlib's {plt.get_backend()} backend has no window to draw in")
        self._image = self._figure.figimage(np.zeros((size[1], size[0], 3), np.uint8))
        self._figure.show()

    def show(self, frame: Frame) -> None:
        """Show a frame."""
        self._image.set_data(frame)
        self._figure.canvas.draw()
        self._figure.canvas.flush_events()

    def close(self) -> None:
        """Close the window."""
        plt.close(self._figure)


def movie_writer(path: Path, frames_per_second: float) -> AbstractMovieWriter:
    """What writes an animation of the kind of `path`; ValueError for another kind, or where ffmpeg is missing."""
    if path.suffix == ".gif":
        return PillowWriter(fps=frames_per_second)  # type: ignore[arg-type]
    if path.suffix != ".mp4":
        raise ValueError(f"{path}: an animation is a .gif or .mp4 file, got {path.suffix or 'no ending'}")
    if not FFMpegWriter.isAvailable():
        raise ValueError(f"{path}: an .mp4 needs the program ffmpeg, which is not installed: choose a .gif file")
    return FFMpegWriter(fps=frames_per_second)  # type: ignore[arg-type]


def write_animation(frames: Iterable[Frame], size: tuple[int, int], path: Path, frames_per_second: float) -> None:
    """Write a .gif, or an .mp4 where ffmpeg is installed, whole or not at all; ValueError as for `movie_writer`."""
    writer = movie_writer(path, frames_per_second)
    draft = path.with_name(f".{path.stem}.part{path.suffix}")  # the ending tells the writer what to write
    canvas = Canvas(size)
    image = canvas.figure.figimage(np.zeros((size[1], size[0], 3), np.uint8))
    try:
        with writer.saving(canvas.figure, draft, style.DPI):
            for frame in frames:
                image.set_data(frame)
                writer.grab_frame()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
