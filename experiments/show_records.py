"""What records hold and what checks found, as tables for a person or as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..trajectories.checks import Check
from ..trajectories.code_tally import CodeUse
from ..trajectories.validation import Validation
from .stages import write_text

STYLES = {"passed": "green", "warning": "yellow", "failed": "bold red"}
_JSON = TypeAdapter(Validation)


def save_validation(found: Validation, path: Path) -> None:
    """Write everything as JSON, whole or not at all."""
    write_text(path, _JSON.dump_json(found, indent=1).decode() + "\n")


def show_validation(found: Validation, console: Console) -> None:
    """Print coverage and ranges, units, what was dropped and why, what is missing, and the checks."""
    outcomes = ", ".join(f"{name} {count:,}" for name, count in found.outcomes.items())
    console.print(
        f"[bold]{found.stays:,} stays[/] of {found.patients:,} patients at {found.sites:,} sites, "
        f"{found.decisions:,} decisions; {outcomes}",
        highlight=False,
    )
    _flow(found, console)
    _ranges(found, console)
    _codes(found, console)
    rows = [(d.what, f"{d.count:,}", d.why) for d in found.dropped]
    _print(console, "Dropped or mended", ("what", "count", "why"), rows, right=(1,))
    show_checks(console, found.checks)
    if found.missing:
        console.print("[bold]Missing for the task[/]")
        for line in found.missing:
            console.print(Text(f"  {line}"), highlight=False)
    else:
        console.print("[green]nothing is missing for the task[/]")


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print what the checks looked for and found."""
    table = Table(title="Checks", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("looked for", "result", "found", "detail"):
        table.add_column(column, justify="right" if column == "found" else "left")
    for check in checks:
        detail = f"{check.detail}; {check.remedy}" if check.remedy else check.detail
        result = Text(check.status, style=STYLES[check.status])
        table.add_row(check.name, result, f"{check.found:,} of {check.of:,}", Text(detail))
    console.print(table)


def _flow(found: Validation, console: Console) -> None:
    _print(console, "Cohort flow", ("step", "stays"), [(s.step, f"{s.stays:,}") for s in found.flow], right=(1,))


def _ranges(found: Validation, console: Console) -> None:
    rows = [
        (r.name, r.kind, r.unit, f"{r.share:.1%}", *map(_number, (r.least, r.low, r.median, r.high, r.greatest)))
        for r in found.ranges
    ]
    names = ("name", "kind", "unit", "there", "least", "5 %", "median", "95 %", "greatest")
    _print(console, "Coverage and ranges", names, rows, right=range(3, 9))


def _codes(found: Validation, console: Console) -> None:
    """Codes that share a unit and a use are added up; the JSON has each of them."""
    groups: dict[tuple[str, str, str], list[CodeUse]] = {}
    for use in found.codes:
        groups.setdefault((use.name, use.unit, use.use), []).append(use)
    rows = []
    for (name, unit, how), uses in groups.items():
        code = uses[0].code if len(uses) == 1 else f"{len(uses)} codes"
        numbers = sum(use.numbers for use in uses)
        known = [use for use in uses if use.least is not None and use.mean is not None and use.greatest is not None]
        spread = (
            min((use.least for use in known if use.least is not None), default=None),
            sum((use.mean or 0) * use.numbers for use in known) / numbers if numbers else None,
            max((use.greatest for use in known if use.greatest is not None), default=None),
        )
        rows.append((name, code, unit, how, f"{sum(use.events for use in uses):,}", *map(_number, spread)))
    names = ("for", "code", "unit", "use", "events", "least", "mean", "greatest")
    _print(console, "Codes and units, as charted", names, rows, right=range(4, 8))


def _print(
    console: Console, title: str, names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int]
) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(names):
        numeric = place in right
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or place == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
