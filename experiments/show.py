"""Where a run stands, as a table for a person or as JSON for a program."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .config import ExperimentConfig
from .status import StageStatus

STYLES = {"done": "green", "stale": "yellow", "running": "cyan", "interrupted": "magenta", "waiting": "dim"}


def show_status(found: tuple[ExperimentConfig, Sequence[StageStatus]], console: Console, *, as_json: bool) -> None:
    """Print the stages of a run, in the order of its work."""
    config, stages = found
    if as_json:
        content = {"name": config.name, "hash": config.hash, "stages": [dataclasses.asdict(s) for s in stages]}
        console.print_json(json.dumps(content))
        return
    done = sum(stage.state == "done" for stage in stages)
    title = f"{config.name}-{config.hash}: {done} of {len(stages)} stages done"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("key", style="dim", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("why")
    for stage in stages:
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f}"
        state = Text(stage.state, style=STYLES[stage.state])
        table.add_row(stage.name, stage.key, state, seconds, Text("\n".join(stage.why)))
    console.print(table)
