"""The tables and the figure of the imaging study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..stages import write_text
from .figure_style import BLUE, GREEN, INK, PALE, STYLE
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.imaging_value"
SEEN = {"scans": "what the encoder reads", "none": "no image", "truth": "the true volume"}
DAYS = {"every day": 1, "every 7 days": 7, "every 14 days": 14, "every 28 days": 28, "every 56 days": 56}


def tables(page: Path, found: dict[str, Any]) -> None:
    """Put both tables into the page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    for name, body in (("baselines", _baselines(found)), ("policies", _lines(found))):
        text = put_block(text, f"imaging value, {name}", "", "\n".join(body), command=COMMAND)
    write_text(page, text)


def _baselines(found: dict[str, Any]) -> list[str]:
    lines = [f"| who ({found['many']:,} patients) | value (95 %) |", "| --- | ---: |"]
    return [*lines, *(f"| {row['who']} | {_cell(row['value'])} |" for row in found["baselines"])]


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"| what is seen | scans | value (95 %), {found['patients']:,} patients | minus no image (95 %) "
        f"| by seed | with drawn errors, {found['many']:,} patients: minus no image (95 %) |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in found["lines"]:
        cells = [SEEN[row["arm"]], row["scans"], _cell(row["value"])]
        gains = [_cell(row["gain"], "+"), ", ".join(_number(x, "+") for x in row["seeds"])]
        cells += ["", "", ""] if row["arm"] == "none" else [*gains, _cell(row["gain_drawn"], "+")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cell(interval: list[float], sign: str = "") -> str:
    value, low, high = interval
    return f"{_number(value, sign)} ({_number(low, sign)} to {_number(high, sign)})"


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}".replace("-", "−")


def draw(path: Path, lines: list[dict[str, Any]]) -> None:
    """Gain over no image against the interval between scans; missing scans and the true volume beside it."""
    by_scans = {row["scans"]: row for row in lines if row["arm"] == "scans"}
    truth = next(row for row in lines if row["arm"] == "truth")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        ax = figure.subplots()
        value, low, high = truth["gain"]
        ax.axhspan(low, high, color=GREEN, alpha=0.12, lw=0)
        ax.axhline(value, color=GREEN, lw=1.5)
        ax.axhline(0, color=PALE, lw=1.5)
        _schedules(ax, [(days, by_scans[label]) for label, days in DAYS.items()])
        for place, share in ((8.6, "30 %"), (11.2, "60 %")):
            _point(ax, place, by_scans[f"every 7 days, {share} missed"]["gain"], f"{share}\nmissed")
        _point(ax, 80.0, by_scans["only at admission"]["gain"], "only at\nadmission")
        ax.set_xscale("log")
        ax.set_xticks([1, 7, 14, 28, 56], ["1", "7", "14", "28", "56"])
        ax.minorticks_off()
        ax.set_xlim(0.9, 260)
        ax.text(250, value, "true volume", color=GREEN, va="bottom", ha="right")
        ax.text(250, 0, "no image", color=INK, va="top", ha="right")
        ax.set_xlabel("days between scans")
        ax.set_ylabel("value, minus no image")
        figure.savefig(path, dpi=130)


def _schedules(ax: Axes, rows: list[tuple[int, dict[str, Any]]]) -> None:
    days = [d for d, _ in rows]
    value, low, high = ([row["gain"][k] for _, row in rows] for k in range(3))
    ax.fill_between(days, low, high, color=BLUE, alpha=0.15, lw=0)
    ax.plot(days, value, color=BLUE, marker="o", ms=4, label="scans, rendered and read by the encoder")
    ax.plot(days, [row["gain_drawn"][0] for _, row in rows], color=BLUE, lw=1, ls=":", label="the same, errors drawn")
    ax.legend(frameon=False, fontsize=8, loc="lower left")


def _point(ax: Axes, place: float, gain: list[float], label: str) -> None:
    value, low, high = gain
    ax.errorbar([place], [value], [[value - low], [high - value]], color=BLUE, marker="s", ms=4, mfc="white", lw=1)
    ax.annotate(label, (place, low), (0, -4), textcoords="offset points", ha="center", va="top", fontsize=7)
