"""The page and the figure of the study across hospitals, from its results."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..stages import write_text

COMMAND = "python -m posology.experiments.studies.cross_hospital"
_BLUE, _ORANGE, _INK, _MUTED, _HAIR = "#075a91", "#b84a05", "#1b1f23", "#5a636b", "#e2dfd8"


def write_page(found: Mapping[str, Any], docs: Path) -> Path:
    """Write docs/cross_hospital.md and its figure, whole or not at all."""
    by_direction: dict[str, list[Mapping[str, Any]]] = {}
    for run in found.values():
        by_direction.setdefault(f"{run['home_name']} to {run['away_name']}", []).append(run)
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    _figure(by_direction, docs / "figures" / "cross_hospital.png")
    lines = [
        "# The simulator in another hospital",
        "",
        "A learned patient can only be trusted where it was tested. Here the simulator, and the simpler models beside",
        "it, are fitted to the training patients of one hospital system and then asked about every patient of another:",
        f"the open demos of MIMIC-IV and eICU, read by `sepsis` and `sepsis_eicu`, {_shared(found)}.",
        "",
        f"Made by `{COMMAND}`. In a run, `external:` does the same for one seed (`mimic_to_eicu`, `eicu_to_mimic`).",
        "",
        "![Difference of error, learned minus simpler model, at home and away](figures/cross_hospital.png)",
        "",
        "Error is the normalised root mean square, in half-widths of each feature’s reference range, averaged over",
        "features. Differences are paired by patient; an interval left of zero favours the learned simulator. Every",
        "row is one seed of the training.",
        "",
    ]
    for name, runs in by_direction.items():
        lines += [f"## {name}", "", _sizes(runs[0]), "", *_table(runs), ""]
    lines += ["## What this says", "", *_conclusions(by_direction), ""]
    write_text(docs / "cross_hospital.md", "\n".join(lines))
    return docs / "cross_hospital.md"


def _shared(found: Mapping[str, Any]) -> str:
    runs = list(found.values())
    return f"{len(runs[0]['features'])} features in common" if runs else "no run yet"


def _sizes(run: Mapping[str, Any]) -> str:
    home, away = run["home"], run["away"]
    held = f"{home['patients']} patients" if home["patients"] >= 10 else "fewer than 10 patients"
    return (
        f"At home, held out: {held}, {home['decisions']} decisions. Away: {away['patients']} patients, "
        f"{away['stays']} stays, {away['decisions']} decisions."
    )


def _table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| seed | ahead | against | at home | away |", "|---|---|---|---|---|"]
    for run in runs:
        away = {(r["metric"], r["against"]): r for r in run["away"]["compared"]}
        for row in run["home"]["compared"]:
            ahead = row["metric"].removeprefix("nRMSE, ").removesuffix(" ahead")
            other = away.get((row["metric"], row["against"]))
            lines.append(f"| {run['seed']} | {ahead} | {row['against']} | {_told(row)} | {_told(other)} |")
    return lines


def _told(row: Mapping[str, Any] | None) -> str:
    if row is None or row["difference"] is None:
        return "–"
    return f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})".replace("-", "−")


def _conclusions(by_direction: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """One sentence per direction and rival: how many intervals favour the learned model, at home and away."""
    told = []
    for name, runs in by_direction.items():
        for against in ("persistence", "linear"):
            parts = []
            for place in ("home", "away"):
                rows = [r for run in runs for r in run[place]["compared"] if r["against"] == against]
                rows = [r for r in rows if r["low"] is not None]
                better, worse = sum(r["high"] < 0 for r in rows), sum(r["low"] > 0 for r in rows)
                where = "at home" if place == "home" else "away"
                parts.append(f"{where} {better} of {len(rows)} intervals favour it and {worse} disfavour it")
            told.append(f"- {name}, against {against}: {'; '.join(parts)}.")
    told.append(
        "- The demos hold a few dozen patients each. The learned simulator starts from the linear model and departs "
        "from it only as far as tuning patients bear out; where the linear one wins, so few patients could not."
    )
    told.append(f"- One-step error away over error at home, median over features and seeds: {_ratios(by_direction)}.")
    return told


def _ratios(by_direction: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    parts = []
    for name, runs in by_direction.items():
        ratios = [
            away / home
            for run in runs
            for home, away, n, m in zip(
                run["home"]["rmse"]["lstm"],
                run["away"]["rmse"]["lstm"],
                run["home"]["count"],
                run["away"]["count"],
                strict=True,
            )
            if min(n, m) >= 10 and home > 0
        ]
        parts.append(f"{name} {statistics.median(ratios):.2f}")
    return ", ".join(parts)


def _figure(by_direction: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    figure = Figure(figsize=(9.2, 4.3), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(by_direction), sharex=True, squeeze=False)[0]
    for each, (name, runs) in zip(axes, by_direction.items(), strict=True):
        metrics = list(dict.fromkeys((r["metric"], r["against"]) for run in runs for r in run["home"]["compared"]))
        labels = []
        for row, (metric, against) in enumerate(reversed(metrics)):
            labels.append(f"{metric.removeprefix('nRMSE, ')}, {against}")
            for place, colour, shift, marker in (("home", _BLUE, 0.17, "o"), ("away", _ORANGE, -0.17, "s")):
                found = [
                    r
                    for run in runs
                    for r in run[place]["compared"]
                    if (r["metric"], r["against"]) == (metric, against)
                ]
                for k, r in enumerate(found):
                    y = row + shift + (k - (len(found) - 1) / 2) * 0.09
                    each.plot([r["low"], r["high"]], [y, y], color=colour, lw=1.3, solid_capstyle="butt")
                    each.plot([r["difference"]], [y], marker, color=colour, ms=4)
        each.axvline(0, color=_INK, lw=1, ls=(0, (3, 3)))
        each.set_yticks(range(len(labels)), labels, fontsize=8.5, color=_INK)
        each.set_title(name, fontsize=10.5, color=_INK, loc="left", fontweight="bold")
        each.grid(axis="x", color=_HAIR, lw=0.8)
        each.set_axisbelow(True)
        each.tick_params(length=0, labelcolor=_MUTED, labelsize=8.5)
        for side in ("top", "right", "left"):
            each.spines[side].set_visible(False)
    handles = [
        axes[0].plot([], [], "o-", color=_BLUE, ms=4, label="held-out patients at home")[0],
        axes[0].plot([], [], "s-", color=_ORANGE, ms=4, label="the other hospital system")[0],
    ]
    figure.legend(handles=handles, loc="lower left", ncol=2, frameon=False, fontsize=9, bbox_to_anchor=(0.01, 0.0))
    figure.supxlabel(
        "error of the learned simulator minus that of the simpler model; left is better", fontsize=9, y=0.075
    )
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    partial = path.with_suffix(".partial.png")
    figure.savefig(partial)
    partial.replace(path)
