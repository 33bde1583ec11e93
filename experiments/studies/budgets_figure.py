"""The figure of the budgets page: what a stay costs against its budget, and the value that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figure_style import BLUE, INK, ORANGE, PALE, STYLE

PANELS = {
    "fluid": ("Sepsis: fluid", "L a stay", "survival"),
    "inr": ("Warfarin: INR above 4", "days in 90", "time in range"),
}


def rows_of(found: dict[str, Any], problem: str, kind: str) -> list[tuple[float, int, dict[str, list[float]]]]:
    """Level, seed and result of every policy of one kind, by level."""
    keys = [key.split("/") for key in found if key.startswith(f"{problem}/{kind}/")]
    return sorted(
        ((float(level), int(seed), found["/".join((problem, kind, level, seed))]) for _, _, level, seed in keys),
        key=lambda row: row[:2],
    )


def draw_frontiers(path: Path, found: dict[str, Any]) -> None:
    """Above, cost against budget; below, value against cost, with what fixed prices lead to."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.9), layout="constrained")
        axes = figure.subplots(2, len(PANELS))
        for column, (problem, (title, unit, value)) in enumerate(PANELS.items()):
            _kept(axes[0][column], found, problem, unit)
            _frontier(axes[1][column], found, problem, f"mean cost, {unit}")
            axes[0][column].set_title(title, fontsize=9.5, loc="left")
            axes[1][column].set_ylabel(value)
        axes[0][0].set_ylabel("mean cost of a stay")
        handles, labels = axes[1][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(path, dpi=130)


def _kept(ax: Axes, found: dict[str, Any], problem: str, unit: str) -> None:
    rows = rows_of(found, problem, "budget")
    free = [row["cost"][0] for _, _, row in rows_of(found, problem, "none")]
    if not rows:
        return
    top = max(level for level, *_ in rows) * 1.18
    ax.plot([0, top], [0, top], color=PALE, lw=1)
    ax.fill_between([0, top], [0, top], [top * 1.25] * 2, color=ORANGE, alpha=0.08, lw=0)
    ax.text(0.04, 0.93, "over budget", transform=ax.transAxes, color=ORANGE, fontsize=8, va="top")
    _points(ax, [level for level, *_ in rows], [row["cost"] for *_, row in rows], color=BLUE, fmt="o")
    if free:
        told = ", ".join(f"{cost:.3g}" for cost in free)
        ax.text(0.97, 0.05, f"without limit: {told}", transform=ax.transAxes, ha="right", fontsize=8, color=INK)
    ax.set_xlim(0, top)
    ax.set_ylim(0, top * 1.25)
    ax.set_xlabel(f"budget, {unit}")


def _frontier(ax: Axes, found: dict[str, Any], problem: str, label: str) -> None:
    kinds = (
        ("price", ORANGE, "s", "white", "fixed price in the reward"),
        ("budget", BLUE, "o", BLUE, "under a budget"),
        ("none", INK, "D", INK, "without limit"),
    )
    for kind, color, fmt, face, name in kinds:
        rows = rows_of(found, problem, kind)
        if not rows:
            continue
        x, y = [row["cost"] for *_, row in rows], [row["value"] for *_, row in rows]
        for centre, spread in zip(x, y, strict=True):
            ax.plot([centre[0]] * 2, spread[1:], color=color, lw=1)
            ax.plot(centre[1:], [spread[0]] * 2, color=color, lw=1)
        ax.plot(
            [c[0] for c in x], [v[0] for v in y], fmt, color=color, mfc=face, ms=5, label=name, zorder=3, clip_on=False
        )
    ax.set_xlabel(label)
    ax.set_xlim(left=0)


def _points(ax: Axes, x: list[float], y: list[list[float]], *, color: str, fmt: str) -> None:
    low, high = [v[0] - v[1] for v in y], [v[2] - v[0] for v in y]
    ax.errorbar(x, [v[0] for v in y], yerr=[low, high], fmt=fmt, color=color, ms=4.5, lw=1, capsize=2)
