"""The page of the study of agents: a table for each patient, and what they say in words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ...agents.table import LABELS
from ..stages import write_text
from .agents_figures import draw_agents

TITLES = {
    "sepsis": ("Sepsis", "probability of being alive at discharge or after 72 h"),
    "warfarin": ("Warfarin", "share of 90 days with an INR of 2–3"),
    "tumor": ("Tumour", "shrinkage less harms over half a year, death and cure"),
    "propofol": ("Propofol", "share of half an hour with a bispectral index of 40–60"),
}
ROWS = {
    **{
        name: LABELS[name]
        for name in ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q", "td3_bc")
    },
    "simulated free": "PPO in the learned patient, no penalty",
    "simulated penalised": "PPO in the learned patient, penalised",
    "true_ppo": "*PPO in the true patient: an upper bound*",
}
Found = dict[str, Any]


def write_page(docs: Path) -> None:
    """Write `agents.md` and its figure from the results that are there."""
    everything = {}
    for name in TITLES:
        store = docs / "results" / f"agents_{name}.json"
        if store.is_file():
            everything[name] = rows_of(json.loads(store.read_text("utf-8")))
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    draw_agents(docs / "figures" / "agents.png", {TITLES[name]: rows for name, rows in everything.items()})
    parts = [_HEAD, *(_section(name, rows) for name, rows in everything.items())]
    page = docs / "agents.md"
    text = page.read_text("utf-8") if page.is_file() else ""
    kept = text[text.index(_READING) :] if _READING in text else f"{_READING}\n"
    write_text(page, "\n".join([*parts, kept]))


def rows_of(found: Found) -> list[Found]:
    """One row for each line of a table, with the mean over seeds: baselines first, then agents."""
    rows = []
    for key, cell in found.items():
        label = {"clinician": "Clinician", "best_fixed": f"Best fixed dose ({cell.get('dose', '')})"}.get(key, key)
        if "/" not in key:
            rows.append(_row(label.removeprefix("rule:"), [cell], baseline=True))
    for key, label in ROWS.items():
        name, _, part = key.partition(" ")
        some = [cell[part] if part else cell for key, cell in found.items() if key.split("/")[0] == name]
        if some:
            rows.append(_row(label, some, baseline=False))
    return rows


def _row(label: str, cells: list[Found], *, baseline: bool) -> Found:
    """Means over seeds. The interval adds the variance over patients, the same for every seed, to that over seeds."""
    count = len(cells)

    def mean(values: list[float]) -> float:
        return sum(values) / count

    def widened(middle: list[float], low: list[float], high: list[float]) -> list[float]:
        at = mean(middle)
        patients = mean([(above - below) / 2 for below, above in zip(low, high, strict=True)])
        seeds = sum((x - at) ** 2 for x in middle) / max(count - 1, 1) / count
        half = math.hypot(patients, 1.96 * math.sqrt(seeds))
        return [at, at - half, at + half]

    columns = {name: [cell[name] for cell in cells if cell.get(name) is not None] for name in ("claimed", "own")}
    gains = list(zip(*(cell["gain"] for cell in cells), strict=True))
    return {
        "label": label,
        "baseline": baseline,
        "seeds": count,
        "true": widened(*([cell[part] for cell in cells] for part in ("true", "low", "high"))),
        "gain": widened(*(list(part) for part in gains)),
        "violations": mean([cell["violations"][0] for cell in cells]),
        "penalty": sorted({cell["penalty"] for cell in cells if "penalty" in cell}),
        **{name: sum(values) / count if len(values) == count else None for name, values in columns.items()},
    }


def _section(name: str, rows: list[Found]) -> str:
    title, value = TITLES[name]
    lines = [
        f"## {title}",
        "",
        f"Value: {value}.",
        "",
        "| policy | seeds | true value (95 %) | minus clinician (95 %) | hard limits broken | claimed | own values |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        label = row["label"]
        if row["penalty"]:
            label += f" ({', '.join(f'{penalty:g}' for penalty in row['penalty'])})"
        shown = [label, "" if row["baseline"] else str(row["seeds"]), _spread(row["true"])]
        shown += ["" if label == "Clinician" else _spread(row["gain"], sign=True), f"{row['violations']:.1%}"]
        shown += ["" if row[part] is None else f"{row[part]:.3f}" for part in ("claimed", "own")]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join([*lines, ""])


def _spread(values: list[float], *, sign: bool = False) -> str:
    middle, low, high = (f"{value:+.3f}" if sign else f"{value:.3f}" for value in values)
    return f"{middle} ({low} to {high})"


_HEAD = """# Agents where the truth is known

Made by `python -m posology.experiments.studies.agents`, which keeps its numbers in `docs/results/agents_*.json`.

Records are 1,500 stays of the documented clinician and 500 for early stopping (propofol: 750 and 250). Agents that
learn from them have their default settings, but early stopping begins only after as many epochs as a stay has
decisions (`Schedule(settle=...)`), for values travel back from a stay's end about one decision an epoch. The learned
patient is an ensemble of two LSTMs fitted to the same stays; PPO in it begins at the fitted clinician and takes
100,000 decisions under each penalty on disagreement (sepsis 3, 10, 30; warfarin and tumour 1, 3; propofol .03), of
which the one in brackets was chosen: the smallest at which at most 5 % of the policy's probability falls on what
clinicians rarely do, on the tuning stays, else the best supported one. PPO in the true patient takes 300,000. Nothing
is chosen or tuned by the truth.

Everybody treats the same 2,000 patients under the same luck; intervals are over patients and, where there are
several, training seeds. Limits are reported, not enforced: *hard limits broken* is the share of executed decisions
that break one. *Claimed* is what a user without the truth would read: for agents that learn from records, fitted Q
evaluation on the tuning stays (a critic fitted on the training stays), beside the mean value that the agent's *own
values* give its choices at admission; for PPO in the learned patient, its value there, without the penalty.

![True value of every agent](figures/agents.png)
"""

_READING = "## What the numbers say"
