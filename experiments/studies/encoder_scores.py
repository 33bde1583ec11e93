"""How well scans are read: overlap of masks, error of the volume, and whether the predicted spread is honest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...patient_models.imaging.encoder import Encoder
from ...patient_models.imaging.encoder_training import Batch, logarithms

PIXEL = 0.25  # cm


@dataclass(frozen=True)
class Scores:
    """One line of a table; scans without a lesion count in `false_alarms` alone."""

    label: str
    scans: int
    dice: float  # median
    dice_low: float  # 10th percentile
    volume_error: float  # median of |read / true - 1|
    volume_error_high: float  # 90th percentile
    diameter_error: float | None  # median, cm
    within_one: float | None  # share of log volumes within one predicted SD: .68 is honest
    within_two: float | None  # .95
    false_alarms: float | None  # share of empty scans with a mask of more than 4 pixels


def scores(label: str, who: Encoder | Callable[[Tensor], Tensor], batch: Batch) -> Scores:
    """Judge an encoder, or a segmentation whose volume is that of a sphere of the mask's area."""
    hu, truth, size = batch
    diameter_error = within_one = within_two = None
    if isinstance(who, Encoder):
        read = who.encode(hu)
        mask, volume = read.mask, read.volume
        lesion = size[:, 0] > 0
        error = (logarithms(size) - logarithms(torch.stack((read.volume, read.diameter), 1)))[lesion, 0].abs()
        ratio = error / read.volume_spread[lesion]
        within_one, within_two = ((ratio < bound).float().mean().item() for bound in (1.0, 2.0))
        diameter_error = (read.diameter - size[:, 1]).abs()[lesion].median().item()
    else:
        mask = who(hu)
        volume = 4 / 3 * math.pi * (mask.flatten(1).sum(1) * PIXEL**2 / math.pi) ** 1.5
    lesion = size[:, 0] > 0
    overlap = _dice(mask, truth)[lesion]
    relative = (volume / size[:, 0].clamp_min(1e-6) - 1).abs()[lesion]
    alarms = (mask[~lesion].flatten(1).sum(1) > 4).float().mean().item() if bool((~lesion).any()) else None
    return Scores(
        label,
        len(hu),
        overlap.median().item(),
        overlap.quantile(0.1).item(),
        relative.median().item(),
        relative.quantile(0.9).item(),
        diameter_error,
        within_one,
        within_two,
        alarms,
    )


def _dice(mask: Tensor, truth: Tensor) -> Tensor:
    """Overlap (B,); 1 where both are empty."""
    a, b = mask.flatten(1), truth.flatten(1)
    both = (a & b).sum(1)
    total = a.sum(1) + b.sum(1)
    return torch.where(total > 0, 2 * both / total.clamp_min(1), 1.0)


def lines_of(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """A Markdown table."""
    lines = [
        "| scans | Dice, median (10th pct) | volume error, median (90th pct) | diameter error, cm | within 1 SD, 2 SD "
        "| false alarms |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in found:
        honest = "" if line["within_one"] is None else f"{line['within_one']:.0%}, {line['within_two']:.0%}"
        diameter = "" if line["diameter_error"] is None else f"{line['diameter_error']:.2f}"
        alarms = "" if line["false_alarms"] is None else f"{line['false_alarms']:.0%}"
        cells = [
            f"{line['label']} ({line['scans']})",
            f"{line['dice']:.3f} ({line['dice_low']:.3f})",
            f"{line['volume_error']:.1%} ({line['volume_error_high']:.0%})",
            diameter,
            honest,
            alarms,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
