"""The page's tables of the study of known and fitted propensities: coverage, limits of agreement, verdicts.

`python -m posology.experiments.studies.fitted_behavior_page` reads the cells of `fitted_behavior` and puts the tables
into docs/off_policy.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...evaluation.off_policy.verdict import ORDER
from ..stages import write_text
from . import markdown
from .accuracy_summary import grouped, verdicts
from .coverage import FOLDER
from .fitted_behavior import CHOSEN_ON, CONFIRMED_ON, KINDS, STAYS
from .known_values import CLINICIAN
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.fitted_behavior_page"
LIMITS = (1.5, 2.0, 2.5, 3.0, 4.0, float("inf"))  # of agreement, in standard errors
GROUPS = {"patients chosen on": CHOSEN_ON, "patients not chosen on": CONFIRMED_ON, "all": (*CHOSEN_ON, *CONFIRMED_ON)}
Row = dict[str, Any]


def rows_of(folder: Path, stays: int = STAYS) -> list[Row]:
    """Every estimate of every cell; FileNotFoundError where there is none."""
    cells = sorted((folder / "fitted_behavior").glob(f"*-{stays}-*.json"))
    if not cells:
        raise FileNotFoundError(
            f"no cells in {folder / 'fitted_behavior'}: run `python -m posology.experiments.studies.fitted_behavior`"
        )
    rows = [row for cell in cells for row in json.loads(cell.read_text(encoding="utf-8"))]
    spreads = {name: _spread(folder, name) for name in {row["environment"] for row in rows}}
    return [{**row, "spread": spreads[row["environment"]]} for row in rows]


def _spread(folder: Path, environment: str) -> float:
    """Standard deviation of the clinicians' returns, in units of which errors of different patients compare."""
    kept = json.loads((folder / "truth" / f"{environment}-0.json").read_text(encoding="utf-8"))
    return float(kept["values"][CLINICIAN][1] * kept["stays"] ** 0.5)


def coverage(rows: Sequence[Row], interval: str) -> tuple[float, float]:
    """Share of intervals that hold the truth, and its standard error over cohorts, whose estimates miss together."""
    held = np.array([[sum(map(_holds(interval), some)), len(some)] for some in _cohorts(rows)], float).reshape(-1, 2)
    total = held[:, 1].sum()
    if not total:
        return float("nan"), float("nan")
    share = float(held[:, 0].sum() / total)
    count = len(held)
    spread = ((held[:, 0] - share * held[:, 1]) ** 2).sum() * count / max(1, count - 1)
    return share, float(np.sqrt(spread) / total) if count > 1 else float("nan")


def _cohorts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    yield from grouped(rows, "environment", "repeat").values()


def _holds(interval: str) -> Callable[[Row], bool]:
    return lambda row: bool(row[interval][0] <= row["truth"] <= row[interval][1])


def coverage_table(rows: Sequence[Row]) -> str:
    """A line per kind of propensities and patient, and per group of patients."""
    heads = ["propensities", "patients", "cohorts", "estimates", "supported by weights alone", "hold the truth"]
    lines = []
    members = {**{one: (one,) for one in GROUPS["all"]}, **GROUPS}
    for kind, name in itertools.product(KINDS, members):
        some = [r for r in rows if r["behavior"] == kind and r["environment"] in members[name]]
        if some:
            before, now = ([r for r in some if r[label] == "supported"] for label in ("before", "verdict"))
            counts = [str(len(grouped(some, "environment", "repeat"))), f"{len(some):,}"]
            lines.append([kind, name, *counts, *_held(before, "plain"), *_held(now, "interval")])
    return markdown.table([*heads, "supported", "hold the truth"], lines, words=2)


def limits_table(rows: Sequence[Row]) -> str:
    """What each limit of agreement would support under fitted propensities, on patients chosen on and on others."""
    groups = [name for name in GROUPS if name != "all"]
    heads = ["limit, standard errors"]
    for name in groups:
        heads += [f"{name}: supported", "hold the truth"]
    fitted = [r for r in rows if r["behavior"] != "true" and r["before"] == "supported"]
    lines = []
    for limit in LIMITS:
        kept = [[r for r in fitted if r["environment"] in GROUPS[g] and abs(r["gap"]) <= limit] for g in groups]
        cells = [cell for some in kept for cell in _held(some, "interval")]
        lines.append(["none" if np.isinf(limit) else f"{limit:g}", *cells])
    return markdown.table(heads, lines)


def verdict_table(rows: Sequence[Row]) -> str:
    """How far each verdict can be believed: intervals that missed, errors, and advantages that are none."""
    heads = ["propensities", "policies", "verdict", "estimates", "intervals that missed", "RMSE, SD of returns"]
    flat, lines = [_scaled(row) for row in rows], []
    for kind, blend in itertools.product(KINDS, (True, False)):
        found = verdicts([r for r in flat if r["behavior"] == kind and r["blend"] == blend])
        for label in (label for label in ORDER if label in found):
            v = found[label]
            error = f"{v['rmse']:.3f}" if v["rmse"] < 10 else "over 10"
            told = [f"{v['estimates']:,}", f"{v['missed']:.0%}", error, f"{v['false advantage']:.1%}"]
            lines.append([kind, "blends" if blend else "whole", label, *told])
    return markdown.table([*heads, "advantage claimed that is none"], lines, words=3)


def _scaled(row: Row) -> Row:
    """In units of the spread of returns."""
    low, high = row["interval"]
    numbers = {"low": low, "high": high, **{key: row[key] for key in ("value", "truth", "clinician")}}
    return {**row, **{key: number / row["spread"] for key, number in numbers.items()}}


def _held(rows: Sequence[Row], interval: str) -> list[str]:
    """How many, and the share whose intervals hold the truth, with its standard error in points."""
    share, error = coverage(rows, interval)
    if not rows:
        return ["0", "–"]
    return [f"{len(rows):,}", f"{share:.0%}" if np.isnan(error) else f"{share:.0%} ± {100 * error:.0f}"]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = FOLDER,
    page: Annotated[Path, typer.Option(help="The page to put the tables into.")] = Path("docs/off_policy.md"),
    stays: Annotated[int, typer.Option(help="Stays of the cells to read.")] = STAYS,
) -> None:
    """Put the tables into the page."""
    rows = rows_of(out, stays)
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Off-policy evaluation\n"
    tables = {
        "fitted behaviour": coverage_table(rows),
        "limits of agreement": limits_table(rows),
        "verdicts": verdict_table(rows),
    }
    for block, body in tables.items():
        text = put_block(text, block, "", body, command=COMMAND)
    write_text(page, text)


if __name__ == "__main__":
    typer.run(main)
