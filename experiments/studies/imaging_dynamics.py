"""Does imaging help to predict? Errors of learned dynamics that see pictures, none, or the truth behind them.

`python -m posology.experiments.studies.imaging_dynamics` writes docs/results/imaging_dynamics.json and four tables in
docs/imaging.md, two of the tumour by schedule of scans and two of septic shock by chest films. The same courses are
shown to every model; only what is seen of them differs. Errors are those of the expected value some decisions ahead,
and at the horizon from admission, under the doses really given: of one feature that everybody sees, in half-widths of
its reference range, and of the hidden truth, which a linear probe of the model's state tells.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from ..stages import write_text
from .imaging_arms import CONDITIONS, HORIZON, TRAINED
from .imaging_courses import TRUE_OPACITY, TRUE_VOLUME, Courses, courses, film_courses
from .imaging_errors import ARMS, Squares, Subject, compared, error_lines, measured
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.imaging_dynamics"
TRAIN, TUNING, HELD_OUT = 0, 10**7, 2 * 10**7  # seeds of the first patients
TUMOR = Subject(TRUE_VOLUME, True, "neutrophils", HORIZON, 40)
SEPSIS = Subject(TRUE_OPACITY, False, "spo2", 18, 40)
TITLES = {
    "tumor": ("error of log volume", "error of neutrophils", "week"),
    "sepsis": ("error of opacity", "error of oxygen saturation", "decision"),
}


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    patients: int  # learned from; a fifth as many tune
    held_out: int
    seeds: int
    epochs: int


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of cohorts and errors; what is there is used.")] = Path("runs"),
    patients: Annotated[int, typer.Option(min=20, help="Learned from; a fifth as many tune.")] = 1000,
    held_out: Annotated[int, typer.Option(min=4, help="Patients whose courses are predicted.")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="Models learned for each kind of sight.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Of training, at most.")] = 40,
    only: Annotated[str, typer.Option(help="tumor or sepsis; both where empty.")] = "",
) -> None:
    """Simulate, learn, predict and tabulate."""
    torch.set_num_threads(1)
    plan, console = Plan(patients, held_out, seeds, epochs), Console()
    folder, results = work / f"imaging_dynamics_{patients}_{held_out}_{epochs}", docs / "results"
    for path in (results, folder):
        path.mkdir(parents=True, exist_ok=True)
    kept = results / "imaging_dynamics.json"
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if any(found.get(name) != value for name, value in vars(plan).items()):
        found = dict(vars(plan))
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    for name in [only] if only else ["tumor", "sepsis"]:
        found[name] = tumor_lines(folder, plan, console) if name == "tumor" else sepsis_lines(folder, plan, console)
        write_text(kept, json.dumps(found, indent=1) + "\n")
        *titles, unit = TITLES[name]
        for quantity, title in zip(("truth", "feature"), titles, strict=True):
            body = "\n".join(error_lines(found[name], quantity, title, unit))
            text = put_block(text, f"imaging dynamics, {name}, {quantity}", "", body, command=COMMAND)
    write_text(page, text)


def tumor_lines(folder: Path, plan: Plan, console: Console) -> list[dict[str, Any]]:
    """No image and the true volume on scans of every day; what the encoder reads on every schedule."""

    @functools.cache
    def cohorts() -> tuple[Courses, Courses, dict[str, Courses]]:
        return (
            courses(folder, "train", plan.patients, TRAIN, TRAINED),
            courses(folder, "tuning", max(4, plan.patients // 5), TUNING, TRAINED),
            {
                label: courses(folder, f"held_out_{number}", plan.held_out, HELD_OUT, schedule)
                for number, (label, schedule) in enumerate(CONDITIONS)
            },
        )

    first = CONDITIONS[0][0]
    shown = [("none", first), *(("pictures", label) for label, _ in CONDITIONS), ("truth", first)]
    return _lines(folder, plan, dataclasses.replace(TUMOR, epochs=plan.epochs), shown, cohorts, console)


def sepsis_lines(folder: Path, plan: Plan, console: Console) -> list[dict[str, Any]]:
    """No film, films as ordered, and the true opacity at every decision."""

    @functools.cache
    def cohorts() -> tuple[Courses, Courses, dict[str, Courses]]:
        train, tuning, held = (
            film_courses(folder, f"films_{name}", size, seed)
            for name, size, seed in (
                ("train", plan.patients, TRAIN),
                ("tuning", max(4, plan.patients // 5), TUNING),
                ("held_out", plan.held_out, HELD_OUT),
            )
        )
        return train, tuning, {"as ordered": held}

    shown = [(arm, "as ordered") for arm in ARMS]
    return _lines(folder, plan, dataclasses.replace(SEPSIS, epochs=plan.epochs), shown, cohorts, console)


def _lines(
    folder: Path, plan: Plan, subject: Subject, shown: list[tuple[str, str]], cohorts: Any, console: Console
) -> list[dict[str, Any]]:
    """A line per sight and held-out cohort: errors with intervals over seeds and patients, both quantities."""
    every: dict[str, list[dict[str, Squares]]] = {arm: [] for arm in ARMS}
    for seed in range(plan.seeds):
        for arm in ARMS:
            path = folder / f"{subject.feature}_{arm}_{seed}.json"
            every[arm].append(measured(path, subject, arm, seed, cohorts))
            console.print(f"measured {path.name}")
    names = [name for name, _, _ in subject.reach]
    lines = []
    for arm, label in shown:
        each, base = ([seed[label] for seed in every[kind]] for kind in (arm, "none"))
        found = {quantity: compared(each, base, quantity, names) for quantity in ("truth", "feature")}
        pictures = {"none": "none", "truth": "every decision"}.get(arm, label)
        lines.append({"arm": arm, "pictures": pictures, **found})
    return lines


if __name__ == "__main__":
    typer.run(main)
