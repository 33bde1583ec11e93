"""The encoder on real pictures of another organ and another modality: two brain tumours on MR, after a few labels.

The volumes are those of pyradiomics' reference data, read from the folder in POSOLOGY_DATA; nothing of them is kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...patient_models.imaging.adaptation import align_statistics, few_shot
from ...patient_models.imaging.encoder import Encoder
from ...trajectories.images import fit, read_image, resample

PIXEL = 2.5  # mm


def real_brains(encoder: Encoder, steps: int = 400) -> list[dict[str, Any]] | None:
    """Dice over whole sets of slices, before and after adaptation; None where the data are not here."""
    folder = Path(os.environ.get("POSOLOGY_DATA", "")) / "images" / "pyradiomics"
    if not (folder / "brain1_image.nrrd").is_file():
        return None
    (first, lesion), (second, other) = (_volume(folder, name) for name in ("brain1", "brain2"))
    present = lesion.flatten(1).any(1)
    inside, outside = present.nonzero()[:, 0], (~present).nonzero()[:, 0]
    shown, hidden = torch.cat((inside[::2], outside[::4])), torch.cat((inside[1::2], outside[2::4]))
    tuned = few_shot(encoder, (first[shown], lesion[shown], _sizes(lesion[shown])), steps=steps, learning_rate=4e-3)
    rows = []
    for label, who in (
        ("as it was", encoder),
        ("statistics of the second volume", align_statistics(encoder, second)),
        (f"{len(shown)} labelled slices of the first volume", tuned),
    ):
        parts = ((first[shown], lesion[shown]), (first[hidden], lesion[hidden]), (second, other))
        rows.append({"label": label, "dice": [_dice(who.encode(hu).mask, mask) for hu, mask in parts]})
    return rows


def real_lines(rows: list[dict[str, Any]]) -> list[str]:
    """A Markdown table."""
    head = ["| encoder | slices it was fitted to | other slices, same tumour | second tumour |"]
    lines = [f"| {row['label']} | " + " | ".join(f"{d:.2f}" for d in row["dice"]) + " |" for row in rows]
    return [*head, "| --- | ---: | ---: | ---: |", *lines]


def _volume(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """Slices (S, 96, 96) with MR intensities stretched over the window of the lung, and the lesion's mask."""
    image, label = (read_image(folder / f"{name}_{part}.nrrd") for part in ("image", "label"))
    spacing = (image.spacing[0], PIXEL, PIXEL)
    values, mask = resample(image, spacing).values, resample(label, spacing).values
    shape = (len(values), 96, 96)
    low, high = np.percentile(values, (1, 99.5))
    hu = (fit(values, shape, float(low)) - low) / (high - low) * 1400 - 1000
    return torch.from_numpy(hu.astype(np.float32)), torch.from_numpy(fit(mask, shape) > 0.5)


def _sizes(mask: Tensor) -> Tensor:
    """Volume and diameter (B, 2) of spheres of the masks' areas."""
    radius = (mask.flatten(1).sum(1) * (PIXEL / 10) ** 2 / torch.pi).sqrt()
    return torch.stack((4 / 3 * torch.pi * radius**3, 2 * radius), 1)


def _dice(a: Tensor, b: Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp_min(1))
