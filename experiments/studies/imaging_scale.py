"""How fast pictures are rendered and read, and how much memory many of them take.

`python -m posology.experiments.studies.imaging_scale` writes docs/results/imaging_scale.json and its tables in
docs/imaging.md. Each job runs in a process of its own on one thread, so that its peak memory is its own; rates are per
second of CPU, the best of the rounds, so that a busy machine does not show.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ...patient_models.imaging.encoder_training import draw_lesions
from ...patient_models.imaging.film import render_films
from ...patient_models.imaging.film_reader import shipped_film_reader
from ...patient_models.imaging.film_training import draw_films
from ...patient_models.imaging.render import render
from ...patient_models.imaging.shipped import shipped_encoder
from ...trajectories.carry import valid_states
from ...trajectories.records import read_trajectories
from ...trajectories.task_file import load_task
from ..cohorts import write_cohort
from ..encode import read_images
from ..sources import source
from ..stages import write_text
from .ingest import peak_memory
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.imaging_scale"
COHORTS = {"tumor_imaging": 1200, "sepsis_imaging": 2800}  # patients, so that there are 10,000 pictures and more
FILES, PICTURES, ROUNDS = 10_000, 512, 5
Found = dict[str, Any]


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    share: Annotated[float, typer.Option(min=0.001, max=1.0, help="Of the patients and files, to try it out.")] = 1.0,
    job: Annotated[str, typer.Option(help="Do this job alone, here, and print what was found.")] = "",
) -> None:
    """Run every job in a process of its own, and write what was found."""
    if job:
        typer.echo(json.dumps(_done(job, share)))
        return
    jobs = ["rates", *(f"cohort {name}" for name in COHORTS), "files"]
    found = {name: _apart(name, share) for name in jobs}
    (docs / "results").mkdir(parents=True, exist_ok=True)
    write_text(docs / "results" / "imaging_scale.json", json.dumps(found, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    write_text(page, put_block(text, "imaging scale", "", "\n".join(scale_lines(found)), command=COMMAND))


def scale_lines(found: Found) -> list[str]:
    """Two Markdown tables."""
    rates = found["rates"]
    lines = ["| pictures of 96 x 96 | rendered per s | read per s |", "| --- | ---: | ---: |"]
    lines += [
        f"| {kind} | {rates['render ' + kind]:,.0f} | {rates['read ' + kind]:,.0f} |" for kind in ("scans", "films")
    ]
    lines += ["", "| job | pictures | CPU s | peak MB | of it imports |", "| --- | ---: | ---: | ---: | ---: |"]
    for name in COHORTS:
        row = found[f"cohort {name}"]
        what = f"`{name}`, {row['patients']:,} patients: simulated, written as MEDS, read back"
        lines.append(_line(what, row))
    return [*lines, _line("image files on disk, read and encoded as `posology encode` does", found["files"])]


def _line(what: str, row: Found) -> str:
    return f"| {what} | {row['pictures']:,} | {row['cpu']:.0f} | {row['peak_mb']:,.0f} | {row['start_mb']:,.0f} |"


def _apart(job: str, share: float) -> Found:
    """What a job finds in a process of its own."""
    command = [sys.executable, "-m", "posology.experiments.studies.imaging_scale", "--job", job, "--share", str(share)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: Found = json.loads(printed.strip().splitlines()[-1])
    return found


def _done(job: str, share: float) -> Found:
    torch.set_num_threads(1)
    kind, _, name = job.partition(" ")
    if kind == "rates":
        return _rates()
    start, cpu = peak_memory(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        found = _cohort(name, Path(folder), share) if kind == "cohort" else _files(Path(folder), share)
    return {"cpu": time.process_time() - cpu, "start_mb": start, **found, "peak_mb": peak_memory()}


def _rates() -> Found:
    """Pictures per second of CPU."""
    generator = torch.Generator().manual_seed(0)
    lesions, films = draw_lesions(PICTURES, generator), draw_films(PICTURES, generator)
    hu, grey = render(lesions).hu, render_films(films).grey
    encoder, reader = shipped_encoder(), shipped_film_reader()
    work: dict[str, Callable[[], object]] = {
        "render scans": lambda: render(lesions),
        "read scans": lambda: encoder.encode(hu),
        "render films": lambda: render_films(films),
        "read films": lambda: reader.read(grey),
    }
    best = dict.fromkeys(work, 0.0)
    for _ in range(ROUNDS):
        for name, does in work.items():
            start = time.process_time()
            does()
            best[name] = max(best[name], PICTURES / (time.process_time() - start))
    return dict(best)


def _cohort(name: str, folder: Path, share: float) -> Found:
    """Simulate a cohort, write it, read it, and count the pictures that were taken."""
    patients = max(4, round(share * COHORTS[name]))
    task = load_task(source(name).task)
    stays = read_trajectories(write_cohort(name, folder / "cohort", patients=patients), task).trajectories
    column = next(c for c, feature in enumerate(stays.spec.features) if feature.source == "image")
    return {"patients": patients, "pictures": int((stays.seen[:, :, column] & valid_states(stays)).sum())}


def _files(folder: Path, share: float) -> Found:
    """Write scans as files one by one, then read and encode them all; the CPU time is that of reading."""
    count, generator = max(4, round(share * FILES)), torch.Generator().manual_seed(1)
    for start in range(0, count, 100):
        hu = render(draw_lesions(min(100, count - start), generator)).hu
        for row, picture in enumerate(hu.numpy()):
            np.save(folder / f"scan{start + row:05d}.npy", np.round(picture).astype(np.int16))
    cpu = time.process_time()
    mm = 10 * shipped_encoder().config.pixel[0]
    read = read_images(sorted(folder.iterdir()), shipped_encoder(), spacing=(5.0, mm, mm))
    return {"pictures": len(read.rows), "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    typer.run(main)
