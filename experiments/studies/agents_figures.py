"""Figures of the studies of agents: the true value along training, and of every agent beside its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figure_style import BLUE, GREEN, INK, PALE, STYLE


def draw_learning(path: Path, found: dict[str, Any]) -> None:
    """True value against decisions, each seed a line; the clinician and the optimum as levels."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.8, 3.9), layout="constrained")
        ax = figure.subplots()
        _levels(ax, found["known"])
        for key, row in found["runs"].items():
            if row.get("curve"):
                _curve(ax, key, row["curve"])
        ax.set_xlabel("million decisions")
        ax.set_ylabel("probability of leaving alive, exact")
        ax.legend(frameon=False, loc="lower right", fontsize=8, bbox_to_anchor=(1, 0.1))
        figure.savefig(path, dpi=130)


def _curve(ax: Axes, key: str, curve: list[dict[str, float]]) -> None:
    x = [point["decisions"] / 1e6 for point in curve]
    first = key.endswith("/1")
    if key.startswith("masked_ppo"):
        for name, color, label in (
            ("best_action", GREEN, "its most probable action"),
            ("true", BLUE, "masked PPO, as it draws"),
        ):
            ax.plot(x, [p[name] for p in curve], color=color, lw=1.3, alpha=0.85, label=label if first else None)
    else:
        ax.plot(x, [p["true"] for p in curve], "s", color=INK, ms=5, label="SB3 PPO, as it draws" if first else None)


def _levels(ax: Axes, known: dict[str, float]) -> None:
    for name in ("optimum", "clinician"):
        ax.axhline(known[name], color=PALE, lw=1, ls="--")
        spot = (0.01, known[name])  # from the left edge, whatever the decisions
        ax.annotate(name, spot, (0, 3), ax.get_yaxis_transform(), "offset points", fontsize=8, color=INK)
    ax.margins(x=0.02, y=0.12)


def draw_agents(path: Path, everything: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """One panel for each patient: true values with intervals, claims as open circles, baselines as lines."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 7.2), layout="constrained")
        panels = figure.subplots(2, 2).flatten()
        for ax, ((title, value), rows) in zip(panels, everything.items(), strict=False):
            _agents(ax, rows)
            ax.set_title(title, fontsize=10, loc="left", fontweight="bold")
            ax.set_xlabel(value, fontsize=8)
        for ax in panels[len(everything) :]:
            ax.set_axis_off()
        figure.savefig(path, dpi=110)


def _agents(ax: Axes, rows: list[dict[str, Any]]) -> None:
    agents = [row for row in rows if not row["baseline"]]
    for place, row in enumerate(agents):
        middle, low, high = row["true"]
        bound = row["label"].startswith("*")
        color = PALE if bound else GREEN if row["gain"][1] > 0 else BLUE
        ax.errorbar(middle, place, xerr=[[middle - low], [high - middle]], fmt="o", color=color, ms=5, lw=1.6)
        if row["claimed"] is not None:
            ax.plot([middle, row["claimed"]], [place, place], color=PALE, lw=0.8, zorder=0)
            ax.plot(row["claimed"], place, "o", mfc="white", mec=INK, ms=5)
    ax.set_yticks(range(len(agents)), [_short(row["label"]) for row in agents], fontsize=8)
    ax.invert_yaxis()
    baselines = sorted((row for row in rows if row["baseline"]), key=lambda row: float(row["true"][0]))
    for row, style in zip(baselines, ("-", "--", ":", "-.", (0, (1, 3))), strict=False):
        label = row["label"].split(" (")[0]
        ax.axvline(row["true"][0], color=INK if label == "Clinician" else PALE, lw=1, ls=style, label=label, zorder=0)
    ax.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.3, -0.16), ncol=2)


def _short(label: str) -> str:
    return label.strip("*").split(":")[0].split(",")[0].replace(
        "PPO in the learned patient", "PPO, learned patient"
    ) + (", penalised" if "penalised" in label else "")
