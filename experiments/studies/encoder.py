"""The imaging encoder: trained on rendered scans, judged on others by size, place and scanner, and moved to another.

`python -m posology.experiments.studies.encoder` writes docs/encoder.json, the tables in docs/imaging.md,
docs/figures/encoder_masks.png, and, with `--ship`, the weights that `posology/TumorImaging-v0` reads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch import Tensor

from ...patient_models.imaging.adaptation import align_statistics, few_shot
from ...patient_models.imaging.encoder import ENCODER, WEIGHTS, Encoder, load_encoder
from ...patient_models.imaging.encoder_training import EncoderTraining, Rendered, train_encoder
from ...patient_models.imaging.render import Scanner
from ...patient_models.imaging.shipped import SHIPPED
from ...patient_models.imaging.threshold import threshold_mask
from ...patient_models.imaging.unet import UNetConfig
from ..stages import write_text
from .encoder_scores import Scores, lines_of, scores
from .patient_pages import put_block

OLD = Scanner()
NEW = Scanner(noise=34.0, blur=0.95, offset=45.0, gain=1.06, thickness=0.8)  # another maker's, on another protocol
SIZES = ((0.4, 1.5), (1.5, 3.0), (3.0, 6.0), (6.0, 13.0))  # cm
SHOTS = (8, 32)
DEEP = UNetConfig(dimensions=3, pixel=(0.5, 0.5, 0.5))
HELD_OUT = 10**6  # seed of what encoders are judged on


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of the trained encoders; what is there is used.")] = Path("runs"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps in two dimensions.")] = 900,
    deep_steps: Annotated[int, typer.Option(min=1, help="Training steps in three dimensions.")] = 150,
    count: Annotated[int, typer.Option(min=32, help="Scans for each line of the tables.")] = 400,
    ship: Annotated[bool, typer.Option("--ship", help="Copy the weights into the package.")] = False,
) -> None:
    """Train, judge and adapt the encoder."""
    torch.set_num_threads(1)
    console = Console()
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    flat = _trained(work / "encoder_2d", UNetConfig(), Rendered(OLD), EncoderTraining(steps=steps, batch=48), console)
    deep_source = Rendered(OLD, slices=16, smallest=1.0, largest=7.0)
    deep = _trained(
        work / "encoder_3d", DEEP, deep_source, EncoderTraining(deep_steps, batch=8, calibration=64), console
    )
    parts: dict[str, Callable[[], list[Scores]]] = {
        "kinds": lambda: [*_by_size(flat, count), *_by_place(flat, count), *_by_scanner(flat, count)],
        "baseline": lambda: (
            [_score("all sizes", threshold_mask, Rendered(OLD), count)]
            + [_score(f"{a:g} to {b:g} cm", threshold_mask, Rendered(OLD, a, b), count) for a, b in SIZES]
            + [_score("on the wall", threshold_mask, Rendered(replace(OLD, wall=1.0), 1.5, 6.0), count)]
        ),
        "adapted": lambda: _adapted(flat, count),
        "deep": lambda: [_score("stacks of 16 slices", deep, replace(deep_source), max(32, count // 6))],
    }
    found: dict[str, Any] = {"steps": steps, "deep_steps": deep_steps, "count": count}
    for name, compute in parts.items():
        console.print(f"[bold]{name}[/]")
        found[name] = [asdict(line) for line in compute()]
    write_text(docs / "encoder.json", json.dumps(found, indent=1) + "\n")
    _page(docs / "imaging.md", found)
    _picture(docs / "figures" / "encoder_masks.png", flat)
    if ship:
        SHIPPED.mkdir(exist_ok=True)
        for name in (ENCODER, WEIGHTS):
            shutil.copyfile(work / "encoder_2d" / name, SHIPPED / name)


def _trained(
    folder: Path, config: UNetConfig, source: Rendered, training: EncoderTraining, console: Console
) -> Encoder:
    if not (folder / ENCODER).is_file():
        train_encoder(config, source, training, progress=lambda done, text: console.print(f"{done:4.0%} {text}")).save(
            folder
        )
    return load_encoder(folder)


def _score(label: str, who: Encoder | Callable[[Tensor], Tensor], source: Rendered, count: int) -> Scores:
    return scores(label, who, source(count, torch.Generator().manual_seed(HELD_OUT)))


def _by_size(encoder: Encoder, count: int) -> list[Scores]:
    return [_score("all sizes", encoder, Rendered(OLD), count)] + [
        _score(f"{low:g} to {high:g} cm", encoder, Rendered(OLD, low, high), count) for low, high in SIZES
    ]


def _by_place(encoder: Encoder, count: int) -> list[Scores]:
    return [
        _score(label, encoder, Rendered(replace(OLD, wall=wall), 1.5, 6.0), count)
        for label, wall in (("within the lung", 0.0), ("on the wall", 1.0))
    ]


def _by_scanner(encoder: Encoder, count: int) -> list[Scores]:
    kinds = {
        "twice the noise": replace(OLD, noise=36.0),
        "slices of 1.5 cm": replace(OLD, thickness=1.5),
        "45 HU brighter": replace(OLD, offset=45.0),
        "soft kernel": replace(OLD, blur=1.0),
        "another scanner": NEW,
    }
    return [_score(label, encoder, Rendered(scanner), count) for label, scanner in kinds.items()]


def _adapted(encoder: Encoder, count: int) -> list[Scores]:
    """Before, by statistics alone, and with a few labels."""
    new, generator = Rendered(NEW), torch.Generator().manual_seed(HELD_OUT + 1)
    unlabelled = new(128, generator)[0]
    lines = [_score("as it was", encoder, new, count)]
    lines.append(_score("statistics of 128 unlabelled scans", align_statistics(encoder, unlabelled), new, count))
    for shots in SHOTS:
        tuned = few_shot(encoder, new(shots, generator), steps=80)
        lines.append(_score(f"{shots} labelled scans", tuned, new, count))
    return lines


def _page(path: Path, found: dict[str, Any]) -> None:
    text = path.read_text(encoding="utf-8") if path.is_file() else "# Images as part of the state\n"
    for name in ("kinds", "baseline", "adapted", "deep"):
        body = "\n".join(lines_of(found[name]))
        text = put_block(text, f"encoder {name}", "", body, command="python -m posology.experiments.studies.encoder")
    write_text(path, text)


def _picture(path: Path, encoder: Encoder) -> None:
    from ...patient_models.imaging.contact_sheet import contact_sheet  # matplotlib takes a second

    batches = [
        Rendered(scanner, 0.8)(count, torch.Generator().manual_seed(HELD_OUT + 5))
        for scanner, count in ((OLD, 16), (NEW, 8))
    ]
    hu, mask, size = (torch.cat(part) for part in zip(*batches, strict=True))
    read = encoder.encode(hu)
    titles = [f"{v:.1f} cm3, read {r:.1f}" for v, r in zip(size[:, 0], read.volume, strict=True)]
    contact_sheet(path, hu, mask, other=read.mask, titles=titles, columns=8)


if __name__ == "__main__":
    typer.run(main)
