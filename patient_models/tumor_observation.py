"""What is measured of a tumour patient, and how noisily. Every noise but that of the blood count is a choice."""

from __future__ import annotations

import torch
from torch import Tensor

from .tumor_course import inflamed
from .tumor_growth import diameter_of
from .tumor_marrow import RESIDUAL
from .tumor_memory import TumorMemory
from .tumor_spec import SPEC, VISIBLE

OBSERVATION_NOISE = 5  # columns: neutrophils, volume, diameter, whether a scan is missed, pixels


def measure(m: TumorMemory, noise: Tensor, reading: float) -> Tensor:
    """Neutrophils, and volume, longest diameter and pneumonitis (B, 4) as reported, from noise (B, 5).

    `reading` is the SD of the logarithm of the reported volume; the diameter's is two fifths of it.
    """
    values = (
        m.cells[4] * torch.exp(RESIDUAL * noise[:, 0]),
        (m.volume[0] * torch.exp(reading * noise[:, 1])).clamp_min(VISIBLE),
        diameter_of(m.volume[0]) * m.aspect[0].sqrt() * torch.exp(0.4 * reading * noise[:, 2]),
        inflamed(m).to(noise.dtype),
    )
    return torch.stack(tuple(v.clamp(f.low, f.high) for v, f in zip(values, SPEC.features, strict=True)), 1)
