"""Patients whose truth is known, looked at: twenty courses, what everybody is worth, and what confounding does.

`python -m posology.experiments.studies.patients [NAME ...]` writes docs/patients/NAME.json, the tables in NAME.md and
README.md, and docs/figures/patients_NAME.png. What stands in the JSON under the same settings is not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from ..plan import key_of
from ..sources import SOURCES, source
from ..stages import write_text
from .patient_confounding import confounding_table
from .patient_pages import Found, put_block, summary_lines, update_page
from .patient_policies import policy_table, shift_table
from .patient_probes import PROBES

CHOOSING = 300  # patients on whom the best fixed dose is chosen


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Sources of patients; all where none is named.")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    patients: Annotated[int, typer.Option(min=50, help="On whom everybody is judged.")] = 2000,
    trial: Annotated[int, typer.Option(min=50, help="In the regression on the first interval.")] = 20_000,
    force: Annotated[bool, typer.Option("--force", help="Compute again what stands.")] = False,
) -> None:
    """Study patients and write their tables and pictures."""
    torch.set_num_threads(1)
    console = Console()
    pages, figures = docs / "patients", docs / "figures"
    for folder in (pages, figures):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names or list(PROBES):
        console.print(f"[bold]{name}[/]")
        found = study(name, pages / f"{name}.json", patients=patients, trial=trial, force=force, console=console)
        update_page(name, found, pages)
        from .patient_courses import draw_courses  # matplotlib takes a second

        draw_courses(name, PROBES[name], figures / f"patients_{name}.png")
    everyone = {name: _read(pages / f"{name}.json") for name in SOURCES if (pages / f"{name}.json").is_file()}
    page = pages / "README.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Patients whose truth is known\n"
    write_text(page, put_block(text, "summary", "", "\n".join(summary_lines(everyone))))


def study(name: str, path: Path, *, patients: int, trial: int, force: bool, console: Console) -> Found:
    """The numbers of one source, of which each part is kept in `path` as soon as it is there."""
    found = {} if force or not path.is_file() else _read(path)
    probe, about = PROBES[name], repr(source(name))
    parts: list[tuple[str, str, Callable[[], Any]]] = [
        ("policies", key_of(about=about, patients=patients), lambda: policy_table(name, patients, CHOOSING))
    ]
    regression = probe.regression
    if regression is not None:
        key = key_of(version=2, about=about, regression=repr(regression), trial=trial, patients=patients)
        parts.append(("confounding", key, lambda: confounding_table(name, regression, trial, patients)))
    if probe.shifts:
        key = key_of(about=about, shifts=repr(probe.shifts), patients=patients)
        parts.append(("shifts", key, lambda: shift_table(name, probe.shifts, found["policies"]["best"], patients)))
    for part, key, compute in parts:
        if found.get("keys", {}).get(part) == key:
            continue
        console.print(f"  {part}")
        found[part] = compute()
        found["keys"] = {**found.get("keys", {}), part: key}
        write_text(path, json.dumps(found, indent=1) + "\n")
    return found


def _read(path: Path) -> Found:
    found: Found = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    typer.run(main)
