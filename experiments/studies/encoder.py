"""The imaging encoder: trained on rendered scans, judged on others by size, place and scanner, and moved to another.

`python -m posology.experiments.studies.encoder` writes docs/encoder.json, the tables in docs/imaging.md,
docs/figures/encoder_masks.png, and, with `--ship`, the weights that `posology/Tumor-v0` reads with `imaging=True`. What
was found under the same settings is kept; with `--shipped` what is missing is found with the package's weights.
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
from ...patient_models.imaging.shipped import SHIPPED, shipped_encoder
from ...patient_models.imaging.threshold import threshold_mask
from ...patient_models.imaging.unet import UNetConfig
from ..stages import write_text
from .encoder_real import real_brains, real_lines
from .encoder_scores import Scores, lines_of, scores
from .patient_pages import put_block

OLD = Scanner()
NEW = Scanner(noise=34.0, blur=0.95, offset=45.0, gain=1.06, thickness=0.8)  # another maker's, on another protocol
SIZES = ((0.4, 1.5), (1.5, 3.0), (3.0, 6.0), (6.0, 13.0))  # cm
SHOTS = (8, 32)
DEEP = UNetConfig(dimensions=3, channels=(8, 16), pixel=(0.5, 0.5, 0.5))
HELD_OUT = 10**6  # seed of what encoders are judged on


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of the trained encoders; what is there is used.")] = Path("runs"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of a round in two dimensions.")] = 420,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in two dimensions.")] = 3,
    deep_steps: Annotated[int, typer.Option(min=1, help="Training steps in three dimensions.")] = 250,
    count: Annotated[int, typer.Option(min=32, help="Scans for each line of the tables.")] = 200,
    ship: Annotated[bool, typer.Option("--ship", help="Copy the weights into the package.")] = False,
    shipped: Annotated[bool, typer.Option("--shipped", help="Judge the package's weights; train nothing.")] = False,
) -> None:
    """Train, judge and adapt the encoder."""
    torch.set_num_threads(1)
    console = Console()
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    flat = shipped_encoder()
    if not shipped:
        flat = _trained(work / "encoder_2d", UNetConfig(), Rendered(OLD), EncoderTraining(steps=steps), rounds)

    parts = _parts(flat, count, lambda: _stacks(work / "encoder_3d", deep_steps, count))
    settings = {"steps": steps, "rounds": rounds, "deep_steps": deep_steps, "count": count}
    found = _kept(docs / "encoder.json", settings)
    for name, compute in parts.items():
        if name not in found:
            console.print(f"[bold]{name}[/]")
            found[name] = [asdict(line) for line in compute()]
            write_text(docs / "encoder.json", json.dumps(found, indent=1) + "\n")
    if "real" not in found and (real := real_brains(flat)) is not None:
        found["real"] = real
        write_text(docs / "encoder.json", json.dumps(found, indent=1) + "\n")
    _page(docs / "imaging.md", found)
    _picture(docs / "figures" / "encoder_masks.png", flat)
    if ship and not shipped:
        SHIPPED.mkdir(exist_ok=True)
        for name in (ENCODER, WEIGHTS):
            shutil.copyfile(work / "encoder_2d" / f"round_{rounds - 1}" / name, SHIPPED / name)


def _parts(flat: Encoder, count: int, stacks: Callable[[], list[Scores]]) -> dict[str, Callable[[], list[Scores]]]:
    """What computes the lines of each part of the tables."""
    return {
        "kinds": lambda: [*_by_size(flat, count), *_by_place(flat, count), *_by_scanner(flat, count)],
        "contrasts": lambda: _by_contrast(flat, count),
        "baseline": lambda: [*_by_size(threshold_mask, count), *_by_place(threshold_mask, count)[1:]],
        "baseline_kinds": lambda: [
            *_by_place(threshold_mask, count)[:1],
            *_by_scanner(threshold_mask, count),
            *_by_contrast(threshold_mask, count),
        ],
        "adapted": lambda: _adapted(flat, count),
        "fainter": lambda: _fainter(flat, count),
        "deep": stacks,
    }


def _stacks(folder: Path, steps: int, count: int) -> list[Scores]:
    source, training = Rendered(OLD, slices=16, smallest=2.0, largest=7.0), EncoderTraining(steps, batch=6)
    deep = _trained(folder, DEEP, source, replace(training, learning_rate=1e-2, calibration=64), 1)
    return [_score("stacks of 16 slices, 2 to 7 cm", deep, source, max(32, count // 4))]


def _kept(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What was found before under the same settings."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if all(found.get(name) == value for name, value in settings.items()) else dict(settings)


def _trained(folder: Path, config: UNetConfig, source: Rendered, training: EncoderTraining, rounds: int) -> Encoder:
    """Train in rounds, each with a learning rate that falls anew and scans of its own, kept as soon as it is done."""
    encoder: Encoder | None = None
    for number in range(rounds):
        place = folder / f"round_{number}"
        if not (place / ENCODER).is_file():
            train_encoder(config, source, training, start=encoder, seed=number).save(place)
            Console().print(f"trained {place}")
        encoder = load_encoder(place)
    assert encoder is not None
    return encoder


Reader = Encoder | Callable[[Tensor], Tensor]


def _score(label: str, who: Reader, source: Rendered, count: int) -> Scores:
    return scores(label, who, source(count, torch.Generator().manual_seed(HELD_OUT)))


def _by_size(who: Reader, count: int) -> list[Scores]:
    return [_score("all sizes", who, Rendered(OLD), count)] + [
        _score(f"{low:g} to {high:g} cm", who, Rendered(OLD, low, high), count) for low, high in SIZES
    ]


def _by_place(who: Reader, count: int) -> list[Scores]:
    return [
        _score(label, who, Rendered(replace(OLD, wall=wall), 1.5, 6.0), count)
        for label, wall in (("within the lung", 0.0), ("on the wall", 1.0))
    ]


def _by_scanner(who: Reader, count: int) -> list[Scores]:
    kinds = {
        "twice the noise": replace(OLD, noise=36.0),
        "slices of 1.5 cm": replace(OLD, thickness=1.5),
        "45 HU brighter": replace(OLD, offset=45.0),
        "soft kernel": replace(OLD, blur=1.0),
        "another scanner": NEW,
    }
    return [_score(label, who, Rendered(scanner), count) for label, scanner in kinds.items()]


def _by_contrast(who: Reader, count: int) -> list[Scores]:
    return [
        _score(f"{label}, 1.5 to 6 cm", who, Rendered(replace(OLD, contrast=contrast), 1.5, 6.0), count)
        for label, contrast in (("four fifths of the contrast", 0.8), ("three fifths", 0.6), ("two fifths", 0.4))
    ]


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


def _fainter(encoder: Encoder, count: int) -> list[Scores]:
    """Lesions of three fifths of the contrast, before and with a few labels."""
    faint, generator = Rendered(replace(OLD, contrast=0.6), 1.5, 6.0), torch.Generator().manual_seed(HELD_OUT + 2)
    return [
        _score(f"{shots} of lesions of three fifths of the contrast", tuned, faint, count)
        for shots in SHOTS
        for tuned in [few_shot(encoder, faint(shots, generator), steps=80)]
    ]


def _page(path: Path, found: dict[str, Any]) -> None:
    text = path.read_text(encoding="utf-8") if path.is_file() else "# Images as part of the state\n"
    whole = found | {
        "kinds": found["kinds"] + found["contrasts"],
        "baseline": found["baseline"] + found["baseline_kinds"],
    }
    whole["adapted"] = found["adapted"] + found["fainter"]
    parts = {name: lines_of(whole[name]) for name in ("kinds", "baseline", "adapted", "deep")}
    if "real" in found:
        parts["real"] = real_lines(found["real"])
    for name, lines in parts.items():
        command = "python -m posology.experiments.studies.encoder"
        text = put_block(text, f"encoder {name}", "", "\n".join(lines), command=command)
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
