"""What is measured of a tumour patient, how noisily, and when. Every noise but that of the blood count is a choice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from .tumor_course import inflamed
from .tumor_growth import diameter_of
from .tumor_marrow import RESIDUAL
from .tumor_memory import TumorMemory
from .tumor_spec import SPEC, VISIBLE, WEEK

OBSERVATION_NOISE = 5  # columns: neutrophils, volume, diameter, whether a scan is missed, pixels
READING, RULER = 0.10, 0.04  # SD of the logarithm of a radiologist's volume, and of the diameter
_EPSILON = 1e-2  # hours


@dataclass(frozen=True)
class Schedule:
    """When scans are taken: every `weeks`, each missed with probability `missed`."""

    weeks: int
    missed: float

    def scanned(self, hours: Tensor, noise: Tensor) -> Tensor:
        """Whether the week that ended at `hours` (B,) since admission ended with a scan (B,) bool."""
        number = torch.round(hours / WEEK)
        kept: Tensor = ndtr(noise[:, 3]) >= self.missed
        return ((number % self.weeks) == 0) & kept


def measure(m: TumorMemory, noise: Tensor) -> Tensor:
    """Neutrophils, and volume, longest diameter and pneumonitis (B, 4) as reported, from noise (B, 5)."""
    values = (
        m.cells[4] * torch.exp(RESIDUAL * noise[:, 0]),
        (m.volume[0] * torch.exp(READING * noise[:, 1])).clamp_min(VISIBLE),
        diameter_of(m.volume[0]) * m.aspect[0].sqrt() * torch.exp(RULER * noise[:, 2]),
        inflamed(m).to(noise.dtype),
    )
    return torch.stack(tuple(v.clamp(f.low, f.high) for v, f in zip(values, SPEC.features, strict=True)), 1)
