"""The page's table of the study of fitted behaviour policies: coverage and verdicts before and with its mending.

`python -m posology.experiments.studies.fitted_behavior_page` reads the cells of `fitted_behavior` and puts the table
into docs/off_policy.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..stages import write_text
from .coverage import FOLDER
from .fitted_behavior import ENVIRONMENTS, KINDS, STAYS
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.fitted_behavior_page"
HEAD = [
    "| propensities | patient | estimates | supported before | held the truth | supported now | hold the truth |",
    "|---|---|---:|---:|---:|---:|---:|",
]


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of the table: a line per kind of propensities and patient, and one over all patients."""
    lines = list(HEAD)
    for kind in ("true", *KINDS):
        for patient in (*ENVIRONMENTS, "all"):
            some = [r for r in rows if r["behavior"] == kind and patient in (r["environment"], "all")]
            if not some:
                continue
            before = [_holds(r, "plain") for r in some if r["before"] == "supported"]
            now = [_holds(r, "interval") for r in some if r["verdict"] == "supported"]
            cells = [f"{len(some):,}", f"{len(before):,}", _share(before), f"{len(now):,}", _share(now)]
            lines.append(f"| {kind} | {patient} | {' | '.join(cells)} |")
    return lines


def _holds(row: dict[str, Any], interval: str) -> bool:
    low, high = row[interval]
    return bool(low <= row["truth"] <= high)


def _share(held: list[bool]) -> str:
    return f"{sum(held) / len(held):.0%}" if held else "–"


def main(
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = FOLDER,
    page: Annotated[Path, typer.Option(help="The page to put the table into.")] = Path("docs/off_policy.md"),
    stays: Annotated[int, typer.Option(help="Stays of the cells to read.")] = STAYS,
) -> None:
    """Put the table into the page."""
    cells = sorted((out / "fitted_behavior").glob(f"*-{stays}-*.json"))
    if not cells:
        raise SystemExit(
            f"no cells in {out / 'fitted_behavior'}: run `python -m posology.experiments.studies.fitted_behavior`"
        )
    rows = [row for cell in cells for row in json.loads(cell.read_text(encoding="utf-8"))]
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Off-policy evaluation\n"
    write_text(page, put_block(text, "fitted behaviour", "", "\n".join(table(rows)), command=COMMAND))


if __name__ == "__main__":
    typer.run(main)
