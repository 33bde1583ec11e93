"""How many malformed inputs were tried, and what came of each: `python -m posology.experiments.studies.malformed`."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..stages import write_text
from . import malformed_files, malformed_meds, malformed_random, malformed_shards
from .malformed_base import Case, Outcome, judge

GOOD = ("clear error", "correct result")

_HEAD = """# Malformed input

Every reader is given inputs that are wrong: made by hand, and damaged at random (bytes of parquet files, lines and
characters of task files and configs). An input counts as handled where it ends in one sentence of our own that names
the file, and where there is one the row group, column or key, and a remedy; or where what is read is right. An error
raised inside a library, a traceback, a wrong result, or output left behind counts as a defect.

Made by `python -m posology.experiments.studies.malformed`; the same cases are tests
(`tests/experiments/test_malformed.py`), and hypothesis tries further ones (`tests/trajectories/test_malformed.py`).
"""


def try_all(cases: list[Case]) -> list[Outcome]:
    """What came of each case, each in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return [judge(case, Path(folder) / str(number)) for number, case in enumerate(cases)]


def page(made: list[Outcome], random: list[Outcome]) -> str:
    """The page, as Markdown."""
    counts = Counter((o.reader, "by hand", o.kind) for o in made)
    counts += Counter((o.reader, "at random", o.kind) for o in random)
    kinds = [*GOOD, *sorted({kind for _, _, kind in counts} - set(GOOD))]
    lines = [_HEAD, f"| reader | made | tried | {' | '.join(kinds)} |", "|---|---|---:|" + "---:|" * len(kinds)]
    for reader, how in sorted({(reader, how) for reader, how, _ in counts}):
        found = [counts[reader, how, kind] for kind in kinds]
        lines.append(f"| {reader} | {how} | {sum(found)} | {' | '.join(map(str, found))} |")
    total = [sum(n for (_, _, k), n in counts.items() if k == kind) for kind in kinds]
    lines.append(f"| **all** | | **{sum(total)}** | {' | '.join(f'**{n}**' for n in total)} |")
    lines += ["", "## Made by hand", "", "| reader | input | outcome | what is said |", "|---|---|---|---|"]
    lines += [f"| {o.reader} | {_cell(o.name)} | {o.kind} | {_cell(o.said)} |" for o in made]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 220 else text[:217] + "..."


def main(out: Annotated[Path, typer.Option(help="The page to write.")] = Path("docs/malformed_input.md")) -> None:
    """Try every case and write the page; exit status 1 where one is a defect."""
    logging.disable(logging.WARNING)
    made = try_all([*malformed_meds.cases(), *malformed_shards.cases(), *malformed_files.cases()])
    random = try_all(malformed_random.cases())
    write_text(out, page(made, random))
    defects = [o for o in (*made, *random) if o.kind not in GOOD]
    for outcome in defects:
        typer.echo(f"{outcome.reader}: {outcome.name}: {outcome.kind}: {outcome.said}")
    typer.echo(f"{len(made) + len(random)} cases, {len(defects)} defects: {out}")
    raise typer.Exit(bool(defects))


if __name__ == "__main__":
    typer.run(main)
