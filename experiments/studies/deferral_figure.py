"""The figure of the deferral page: survival and low pressure against the share of decisions handed back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figure_style import BLUE, INK, ORANGE, PALE, STYLE

POLICIES = {"unpenalised": "PPO without penalty", "penalised": "PPO, disagreement penalised"}
MEASURES = {"disagreement": ("disagreement and doubt", BLUE), "doubt": ("doubt alone", "#2f855a")}
LIMITS = {"fluid limit": "over the fluid limit, %", "norepinephrine limit": "over the norepinephrine limit, %"}


def curve(found: dict[str, Any], policy: str, measure: str) -> list[tuple[float, dict[str, Any]]]:
    """Share handed back and what came of it, from nothing on; every decision handed back is the clinician."""
    rows = [(row["share"], row) for key, row in found.items() if key.startswith(f"{policy}/{measure}/")]
    return sorted(rows, key=lambda pair: pair[0])


def draw_curves(path: Path, found: dict[str, Any]) -> None:
    """Columns: the two policies; rows: survival, and violations of each dose limit."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 7.6), layout="constrained")
        axes = figure.subplots(1 + len(LIMITS), len(POLICIES), sharex=True)
        for column, (policy, title) in enumerate(POLICIES.items()):
            if policy not in found:
                continue
            _panel(axes[0][column], found, policy, "value", 1.0)
            for row, limit in enumerate(LIMITS):
                _panel(axes[1 + row][column], found, policy, limit, 100.0)
            axes[0][column].set_title(title, fontsize=9.5, loc="left")
            axes[-1][column].set_xlabel("share of decisions handed back to the clinician")
        axes[0][0].set_ylabel("survival")
        for row, name in enumerate(LIMITS.values()):
            axes[1 + row][0].set_ylabel(name)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, dpi=110)


def _panel(ax: Axes, found: dict[str, Any], policy: str, what: str, scale: float) -> None:
    ends = (0.0, found[policy][what]), (1.0, found["clinician"][what])
    for measure, (name, color) in MEASURES.items():
        rows = curve(found, policy, measure)
        _line(ax, [ends[0], *((s, row["by"][what]) for s, row in rows), ends[1]], scale, color, name)
    control = [(s, row["random"][what]) for m in MEASURES for s, row in curve(found, policy, m)]
    _line(ax, [ends[0], *sorted(control), ends[1]], scale, ORANGE, "at random", dashed=True)
    ax.axhline(found["clinician"][what][0] * scale, color=PALE, lw=0.8, zorder=0)
    ax.plot(1, found["clinician"][what][0] * scale, "D", color=INK, ms=5, label="clinician alone", zorder=4)
    ax.set_xlim(-0.02, 1.03)
    if what != "value":
        ax.set_ylim(bottom=0)


def _line(
    ax: Axes, points: list[tuple[float, list[float]]], scale: float, color: str, name: str, *, dashed: bool = False
) -> None:
    x = [share for share, _ in points]
    low, high = ([max(value[end] * scale, 0.0) for _, value in points] for end in (1, 2))
    ax.fill_between(x, low, high, color=color, alpha=0.12, lw=0)
    ax.plot(x, [value[0] * scale for _, value in points], color=color, marker="o", ms=3.5, lw=1.4,
            ls="--" if dashed else "-", label=name)  # fmt: skip
