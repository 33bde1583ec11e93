"""When films are taken in the sepsis cohort, how well the last one tells the present, and two courses as their films.

`python -m posology.experiments.studies.film_course` writes docs/results/film_course.json, its table in docs/imaging.md,
docs/figures/film_course.png and docs/figures/film_bedside.png.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...patient_models.imaging.film import film_bytes, render_films
from ...patient_models.sepsis_film_orders import COLUMN, FilmMemory
from ...patient_models.sepsis_imaging import FILM, HIDDEN, SPO2
from ...patient_models.sepsis_memory import SepsisMemory
from ...patient_models.sepsis_observation import opacity
from ...trajectories.carry import valid_states
from ...trajectories.rollout import Rollout, rollout
from ..sources import clinician, true_treatment
from ..stages import write_text
from ..watch import follow
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.film_course"
SOURCE = "sepsis_imaging"
AGES = ((0.0, 0.0), (4.0, 8.0), (12.0, 20.0), (24.0, 72.0))  # hours since the last film
SHOWN, BEDSIDE = 6, 12  # films of a course, and decisions after which one is shown at the bedside


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    patients: Annotated[int, typer.Option(min=50, help="Stays that are followed.")] = 1500,
) -> None:
    """Follow stays under the clinician, count their films, and draw two of them."""
    torch.set_num_threads(1)
    stays = rollout(true_treatment(SOURCE), clinician(SOURCE, 1.0, 0.0), patients, keep_memory=True)
    found = {"patients": patients, **film_counts(stays), "ages": film_ages(stays)}
    for folder in ("results", "figures"):
        (docs / folder).mkdir(parents=True, exist_ok=True)
    write_text(docs / "results" / "film_course.json", json.dumps(found, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    write_text(page, put_block(text, "film course", "", "\n".join(course_lines(found)), command=COMMAND))
    flooded, dry = _two(stays)
    _picture(docs / "figures" / "film_course.png", stays, (flooded, dry))
    _bedside(docs / "figures" / "film_bedside.png", int(stays.decisions.subject[flooded]))


def film_counts(stays: Rollout) -> dict[str, float]:
    """Films per stay of 72 hours, and for which reasons those after admission were taken."""
    _, _, taken, age, valid = _parts(stays)
    spo2 = _column(stays, "film_spo2")
    fell = taken[:, 1:] & (spo2[:, :-1] - spo2[:, 1:] >= 3.0)
    old = taken[:, 1:] & (age[:, :-1] >= 20 - 1e-3)
    later, whole = taken[:, 1:].sum().item(), stays.decisions.mask.all(1)
    return {
        "per_stay": taken[whole].sum(1).double().mean().item(),
        "fell": fell.sum().item() / later,
        "old": (old & ~fell).sum().item() / later,
        "fluid": (taken[:, 1:] & ~fell & ~old).sum().item() / later,
        "fresh": (taken & valid)[:, 1:].sum().item() / valid[:, 1:].sum().item(),
    }


def film_ages(stays: Rollout) -> list[dict[str, float]]:
    """How far the last reading is from the opacity of the moment, by the age of the film."""
    read, now, _, age, valid = _parts(stays)
    rows = []
    for low, high in AGES:
        here = valid & (age >= low - 1e-3) & (age <= high + 1e-3)
        error = (read - now)[here].abs()
        shares = {"error": error.quantile(0.5).item(), "error_high": error.quantile(0.9).item()}
        rows.append({"from": low, "to": high, "share": (here.sum() / valid.sum()).item(), **shares})
    return rows


def course_lines(found: dict[str, Any]) -> list[str]:
    """A sentence and a Markdown table."""
    lines = [
        f"A stay of 72 hours has {found['per_stay']:.1f} films. Of those after admission {found['fell']:.0%} were "
        f"taken as saturation had fallen, {found['old']:.0%} as the last one was a day old, the rest because of fluid.",
        "",
        "| hours since the last film | share of decisions | last reading less true opacity now, median (90th pct) |",
        "| --- | ---: | ---: |",
    ]
    for row in found["ages"]:
        label = "0" if row["to"] == 0 else f"{row['from']:.0f} to {row['to']:.0f}"
        lines.append(f"| {label} | {row['share']:.0%} | {row['error']:.3f} ({row['error_high']:.3f}) |")
    return lines


def _parts(stays: Rollout) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Last reading, true opacity now, whether a film was taken, its age, and which states are real, each (N, T+1)."""
    assert stays.memory is not None
    t = stays.trajectories
    hidden = SepsisMemory(*stays.memory[:, :, :HIDDEN].unbind(2))
    return t.vitals[:, :, FILM], opacity(hidden), t.seen[:, :, FILM], t.age[:, :, FILM], valid_states(t)


def _column(stays: Rollout, name: str) -> Tensor:
    assert stays.memory is not None
    return stays.memory[:, :, COLUMN[name]]


def _two(stays: Rollout) -> tuple[int, int]:
    """The stay whose lungs flooded most, and the one whose lungs stayed driest, among those with enough films."""
    taken = _parts(stays)[2]
    enough = stays.decisions.mask.all(1) & (taken.sum(1) >= SHOWN)
    rise = _column(stays, "film_opacity").amax(1) - _column(stays, "film_opacity")[:, 0]
    most, least = torch.where(enough, rise, -torch.inf), torch.where(enough, rise, torch.inf)
    return int(most.argmax()), int(least.argmin())


def _picture(path: Path, stays: Rollout, rows: tuple[int, int]) -> None:
    """The films of two stays."""
    from ...patient_models.imaging.contact_sheet import contact_sheet  # matplotlib takes a second

    assert stays.memory is not None
    read, _, taken, _, _ = _parts(stays)
    grey, titles = [], []
    for row in rows:
        at = taken[row].nonzero()[:SHOWN, 0]
        grey.append(render_films(FilmMemory(*stays.memory[row, at, HIDDEN:].unbind(1)).films()).grey)
        hours = _column(stays, "film_hours")[row, at]
        spo2 = stays.trajectories.vitals[row, at, SPO2]
        titles += [f"{h:.0f} h: {o:.2f}, SpO2 {s:.0f} %" for h, o, s in zip(hours, read[row, at], spo2, strict=True)]
    pictures = film_bytes(torch.cat(grey)).float()
    contact_sheet(path, pictures, titles=titles, columns=SHOWN, window=(0.0, 255.0), dots=84)


def _bedside(path: Path, patient: int) -> None:
    """A stay as `render_mode="rgb_array"` shows it."""
    from PIL import Image

    from ...envs.render_bedside import Bedside

    course = follow(true_treatment(SOURCE), clinician(SOURCE, 1.0, 0.0), patient).until(BEDSIDE)
    frame = Bedside([course], title="Simulated patient").draw([course])
    partial = path.with_suffix(".tmp.png")
    Image.fromarray(frame).save(partial, optimize=True)
    partial.replace(path)


if __name__ == "__main__":
    typer.run(main)
