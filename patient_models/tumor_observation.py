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
PACES = (1.0, 2.0, 4.0, 8.0)  # weeks
_EPSILON = 1e-2  # hours


@dataclass(frozen=True)
class Schedule:
    """When scans are taken: every `weeks`, or at each patient's own pace where that is 0; some are missed."""

    weeks: int
    missed: float

    def scanned(self, m: TumorMemory, hours: Tensor, noise: Tensor) -> Tensor:
        """Whether the week that ended at `hours` (B,) since admission ended with a scan (B,) bool."""
        kept: Tensor = ndtr(noise[:, 3]) >= self.missed
        number = torch.round(hours / WEEK)
        pace = own_pace(m.anatomy[0]) if self.weeks == 0 else torch.full_like(number, self.weeks)
        return (torch.remainder(number, pace) == 0) & kept


def own_pace(anatomy: Tensor) -> Tensor:
    """Weeks between a patient's scans (B,), one of `PACES`, by the patient's hidden number."""
    place: Tensor = torch.remainder(ndtr(anatomy.double()) * 1009, 1.0) * len(PACES)
    return anatomy.new_tensor(PACES)[place.long().clamp(0, len(PACES) - 1)]


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
