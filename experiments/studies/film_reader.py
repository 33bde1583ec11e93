"""The reader of chest films: trained on rendered films, judged on others by opacity and by how they were taken.

`python -m posology.experiments.studies.film_reader` writes docs/results/film_reader.json, its tables in docs/imaging.md
and docs/figures/films.png; `--ship` copies the weights that `posology/SepsisImaging-v0` reads into the package.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch import Tensor

from ...patient_models.imaging.adaptation import align_films
from ...patient_models.imaging.film import Films, Technique, film_bytes, render_films
from ...patient_models.imaging.film_network import FilmConfig
from ...patient_models.imaging.film_reader import NAME, FilmReader, load_film_reader
from ...patient_models.imaging.film_training import FilmTraining, draw_films, train_film_reader
from ...patient_models.imaging.network_files import file_names
from ...patient_models.imaging.shipped import SHIPPED
from ..stages import write_text
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.film_reader"
USUAL = Technique()
TECHNIQUES = {
    "three times the grain": replace(USUAL, noise=0.06),
    "twice as differently exposed": replace(USUAL, exposure=1.2),
    "a flatter film": replace(USUAL, contrast=0.8),
    "twice as differently placed": replace(USUAL, placing=2.0),
}
OTHER = Technique(noise=0.05, exposure=1.0, contrast=0.85, placing=1.5)  # another machine's, on another ward
UNLABELLED = 128
BANDS = ((0.0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 0.95))
SHOWN = (0.05, 0.15, 0.25, 0.40, 0.60, 0.80)  # opacities on the contact sheet
HELD_OUT = 10**6  # seed of what the reader is judged on


@dataclass(frozen=True)
class FilmScores:
    """One line of a table."""

    label: str
    films: int
    error: float  # median of |read - true|
    error_high: float  # 90th percentile
    bias: float  # mean of read - true
    within_one: float  # share within one predicted SD: .68 is honest
    within_two: float  # .95
    spread: float  # median predicted SD
    baseline: float  # median error of a straight line through the film's mean grey


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of the trained reader; what is there is used.")] = Path("runs"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1500,
    count: Annotated[int, typer.Option(min=32, help="Films for each line of the table.")] = 400,
    ship: Annotated[bool, typer.Option("--ship", help="Copy the weights into the package.")] = False,
) -> None:
    """Train and judge the reader, and draw the contact sheet."""
    torch.set_num_threads(1)
    folder = work / f"film_reader_{steps}"
    if not (folder / file_names(NAME)[0]).is_file():
        Console().print(f"[bold]training {steps} steps[/]")
        train_film_reader(FilmConfig(), FilmTraining(steps=steps)).save(folder)
    reader = load_film_reader(folder)
    line = _line_through_grey()
    scores = [_score("all opacities", reader, line, USUAL, (0.0, 0.95), count)]
    scores += [_score(f"{a:g} to {b:g}", reader, line, USUAL, (a, b), count, even=True) for a, b in BANDS]
    scores += [_score(name, reader, line, way, (0.0, 0.95), count) for name, way in TECHNIQUES.items()]
    scores += _moved(reader, line, count)
    found = {"steps": steps, "count": count, "scores": [asdict(s) for s in scores], "zones": _zones(reader, count)}
    (docs / "results").mkdir(parents=True, exist_ok=True)
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    write_text(docs / "results" / "film_reader.json", json.dumps(found, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    write_text(page, put_block(text, "film reader", "", "\n".join(film_lines(found)), command=COMMAND))
    _picture(docs / "figures" / "films.png", reader)
    if ship:
        SHIPPED.mkdir(exist_ok=True)
        for name in file_names(NAME):
            shutil.copyfile(folder / name, SHIPPED / name)


def film_lines(found: dict[str, Any]) -> list[str]:
    """A Markdown table, and a sentence on the zones."""
    lines = [
        "| films | error, median (90th pct) | bias | predicted SD | within 1 SD, 2 SD | error of the mean grey |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for s in found["scores"]:
        cells = [
            f"{s['label']} ({s['films']})",
            f"{s['error']:.3f} ({s['error_high']:.3f})",
            f"{s['bias']:+.3f}",
            f"{s['spread']:.3f}",
            f"{s['within_one']:.0%}, {s['within_two']:.0%}",
            f"{s['baseline']:.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    zones = ", ".join(f"{name} {r2:.2f}" for name, r2 in found["zones"].items())
    return [*lines, "", f"A straight line from the embedding to the opacity of each zone explains (R²): {zones}."]


def _films(bounds: tuple[float, float], count: int, even: bool, seed: int) -> Films:
    generator = torch.Generator().manual_seed(HELD_OUT + seed)
    films = draw_films(count, generator, *bounds)
    low, high = bounds
    return films._replace(opacity=low + (high - low) * torch.rand(count, generator=generator)) if even else films


def _line_through_grey() -> tuple[float, float]:
    """Intercept and slope of the opacity over the film's mean grey, by least squares on other films."""
    films = draw_films(1024, torch.Generator().manual_seed(HELD_OUT - 1))
    grey = _mean_grey(render_films(films, USUAL).grey)
    design = torch.stack((torch.ones_like(grey), grey), 1)
    intercept, slope = torch.linalg.lstsq(design, films.opacity[:, None]).solution[:, 0].tolist()
    return intercept, slope


def _mean_grey(grey: Tensor) -> Tensor:
    """Mean grey (B,) of where the lungs usually are."""
    return torch.cat((grey[:, 14:68, 12:40], grey[:, 14:68, 56:84]), 2).mean((1, 2))


def _score(
    label: str,
    reader: FilmReader,
    line: tuple[float, float],
    technique: Technique,
    bounds: tuple[float, float],
    count: int,
    *,
    even: bool = False,
) -> FilmScores:
    films = _films(bounds, count, even, 0)
    grey = render_films(films, technique).grey
    read = reader.read(grey)
    error = read.opacity - films.opacity
    simple = (line[0] + line[1] * _mean_grey(grey) - films.opacity).abs()
    return FilmScores(
        label,
        count,
        error.abs().median().item(),
        error.abs().quantile(0.9).item(),
        error.mean().item(),
        (error.abs() < read.spread).float().mean().item(),
        (error.abs() < 2 * read.spread).float().mean().item(),
        read.spread.median().item(),
        simple.median().item(),
    )


def _moved(reader: FilmReader, line: tuple[float, float], count: int) -> list[FilmScores]:
    """On another machine: as it was, and with the statistics of unlabelled films."""
    films = _films((0.0, 0.95), UNLABELLED, False, 3)
    aligned = align_films(reader, render_films(films, OTHER).grey)
    kinds = {"another machine": reader, f"the same, statistics of {UNLABELLED} unlabelled films": aligned}
    return [_score(name, who, line, OTHER, (0.0, 0.95), count) for name, who in kinds.items()]


def _zones(reader: FilmReader, count: int) -> dict[str, float]:
    """Share of the variance of each zone's opacity that a line on the embedding explains, on films held out."""
    names = ("right upper", "right lower", "left upper", "left lower")
    fit, held = (render_films(_films((0.0, 0.95), 2 * count, False, seed), USUAL) for seed in (1, 2))
    design, test = (torch.cat((torch.ones(2 * count, 1), reader.read(p.grey).embedding), 1) for p in (fit, held))
    error = held.zones - test @ torch.linalg.lstsq(design, fit.zones).solution
    explained = 1 - error.square().mean(0) / held.zones.var(0)
    return dict(zip(names, explained.tolist(), strict=True))


def _picture(path: Path, reader: FilmReader) -> None:
    from ...patient_models.imaging.contact_sheet import contact_sheet  # matplotlib takes a second

    patients, shown = 3, len(SHOWN)
    generator = torch.Generator().manual_seed(3)
    people = torch.randn(patients, generator=generator)
    opacity, anatomy = torch.tensor(SHOWN).repeat(patients), people.repeat_interleave(shown)
    grey = render_films(Films(opacity, anatomy, torch.randn(patients * shown, generator=generator)), USUAL).grey
    read = reader.read(grey)
    titles = [f"{o:.2f}, read {r:.2f} ± {s:.2f}" for o, r, s in zip(opacity, read.opacity, read.spread, strict=True)]
    contact_sheet(path, film_bytes(grey).float(), titles=titles, columns=shown, window=(0.0, 255.0), dots=74)


if __name__ == "__main__":
    typer.run(main)
