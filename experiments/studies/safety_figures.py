"""The figure of the safety page: value against how tight a constraint is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...patient_models.icu_sepsis_spec import SPEC
from .figure_style import BLUE, GREEN, INK, STYLE


def draw_frontiers(path: Path, found: dict[str, Any]) -> None:
    """Four frontiers: support, levels and deferral in ICU-Sepsis, exactly; norepinephrine in sepsis, simulated."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 6.0), layout="constrained")
        (support, levels), (deferral, limit) = figure.subplots(2, 2)
        _support(support, found["support"])
        _levels(levels, found["levels"])
        _deferral(deferral, found["deferral"])
        _limit(limit, found["norepinephrine"])
        for ax in (support, levels, deferral):
            ax.set_ylabel("probability of leaving alive")
        figure.savefig(path, dpi=130)


def _support(ax: Axes, rows: list[dict[str, float]]) -> None:
    ax.plot([r["least"] for r in rows], [r["value"] for r in rows], color=BLUE, marker="o", ms=4)
    for r in rows:
        if 0 < r["least"] < 0.05:  # the same as without any limit: their numbers would lie on each other
            continue
        text = f"{r['choices']:.1f}"
        ax.annotate(text, (r["least"], r["value"]), (2, 5), textcoords="offset points", fontsize=7.5, color=INK)
    ax.set_title("ICU-Sepsis: best policy within support", fontsize=9, loc="left")
    ax.set_xlabel("least propensity (numbers: choices per state)")
    ax.margins(y=0.15)


def _levels(ax: Axes, rows: list[dict[str, float]]) -> None:
    for column, (drug, color) in enumerate(zip(SPEC.drugs, (BLUE, GREEN), strict=True)):
        some = [r for r in rows if int(r["drug"]) == column]
        ax.plot([r["highest"] for r in some], [r["value"] for r in some], color=color, marker="o", ms=4)
        place = some[1]
        ax.annotate(
            drug.label.lower(), (place["highest"], place["value"]), (6, -12), textcoords="offset points", color=color
        )
    ax.set_xticks(range(5))
    ax.set_title("ICU-Sepsis: best policy up to a level", fontsize=9, loc="left")
    ax.set_xlabel("highest level of the drug")


def _deferral(ax: Axes, rows: list[dict[str, float]]) -> None:
    for prior, color, name in ((0.0, BLUE, "plain counts"), (10.0, GREEN, "10 visits of the mean added")):
        some = [r for r in rows if r["prior"] == prior]
        ax.plot(
            [r["share"] for r in some], [r["value"] for r in some], color=color, marker="o", ms=4, label=f"plan, {name}"
        )
    ax.set_title("ICU-Sepsis: unsure decisions handed back", fontsize=9, loc="left")
    ax.set_xlabel("share of decisions handed to the clinician")
    ax.legend(frameon=False, fontsize=8)


def _limit(ax: Axes, rows: list[dict[str, float]]) -> None:
    x, y = [r["limit"] for r in rows], [r["value"] for r in rows]
    ax.fill_between(x, [r["low"] for r in rows], [r["high"] for r in rows], color=BLUE, alpha=0.15, lw=0)
    ax.plot(x, y, color=BLUE, marker="o", ms=4)
    ax.set_title("Sepsis: observable rule, shielded", fontsize=9, loc="left")
    ax.set_xlabel("limit of norepinephrine, ug/kg/min")
    ax.set_ylabel("survival")
