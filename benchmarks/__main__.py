"""`python -m posology.benchmarks [NAME ...]`: run the comparisons, print a table, write JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from . import BENCHMARKS
from .registry import Result, contest, measure

BUSY = 0.3  # spread from which a ratio is not to be quoted


def main(
    names: Annotated[list[str] | None, typer.Argument(help="comparisons to run; all where none is named")] = None,
    out: Annotated[Path, typer.Option(help="where the numbers go")] = Path("benchmarks.json"),
    rounds: Annotated[int, typer.Option(min=7, help="rounds of each side, interleaved")] = 7,
) -> None:
    """Time every candidate against its reference, one thread, in one process."""
    if unknown := sorted(set(names or ()) - set(BENCHMARKS)):
        raise typer.BadParameter(f"no comparison {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}")
    torch.set_num_threads(1)
    console = Console()
    results = []
    for name in names or BENCHMARKS:
        console.print(f"running {name}")
        results.append(measure(name, contest(BENCHMARKS, name), rounds=rounds))
    console.print(_table(results))
    for result in results:
        if result.spread > BUSY:
            console.print(f"{result.name}: spread {result.spread:.0%}, the machine was too busy; run it again")
    numbers = [{**dataclasses.asdict(result), "spread": result.spread} for result in results]
    partial = out.with_name(out.name + ".part")
    partial.write_text(json.dumps({"torch": torch.__version__, "results": numbers}, indent=1) + "\n")
    partial.replace(out)
    console.print(f"wrote {out}")


def _table(results: list[Result]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("comparison", "rate", "ratio", "range", "goal", "limit"):
        table.add_column(head, justify="left" if head == "comparison" else "right", no_wrap=True)
    for r in results:
        spread, limit = f"{r.ratio_low:.1f}-{r.ratio_high:.1f}", "" if r.floor_share is None else f"{r.floor_share:.0%}"
        rate = f"{r.candidate_rate:,.0f} {r.unit}/s"
        table.add_row(r.name, rate, f"{r.ratio:.1f}x", spread, f"{r.goal:g}x", limit)
    return table


if __name__ == "__main__":
    typer.run(main)
