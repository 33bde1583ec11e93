"""Drawing patients for chemoradiation: a visible tumour of the benchmark's population, a marrow, a lung, a chest."""

from __future__ import annotations

import torch
from torch import Tensor

from .tumor_growth import volume_of
from .tumor_marrow import DRAWS as MARROW
from .tumor_marrow import draw_marrow
from .tumor_memory import TumorMemory
from .tumor_population import DRAWS, draw_traits

SMALLEST, LARGEST = 3.0, 11.0  # cm: who is referred, a design choice
HYPOXIA = 0.4  # of the published radiosensitivity, in tumours this large: a design choice
LUNG_MEAN, LUNG_SPREAD = 30.8, 0.37  # Gy and relative: mean lung dose with a 50 % risk of pneumonitis, and Lyman's m
LUNG_SHARE = 0.32  # mean lung dose per Gy to a tumour of 6 cm, a design choice
PATIENT_NOISE = 1 + DRAWS + MARROW + 3  # columns: age, traits, marrow, lung tolerance, aspect, anatomy
"""`LUNG_MEAN` and `LUNG_SPREAD`: Seppenwoolde et al. (2003), Int J Radiat Oncol Biol Phys 55:724, with n = 1."""


def draw_context(noise: Tensor) -> Tensor:
    """Age (66 years, SD 9, a design choice), stage and type (B, 3) from noise (B, PATIENT_NOISE)."""
    traits = draw_traits(noise[:, 1 : 1 + DRAWS], smallest=SMALLEST, largest=LARGEST)
    return torch.stack(((66 + 9 * noise[:, 0]).clamp(35, 92), traits.stage + 1, traits.kind), 1)


def draw_patients(context: Tensor, noise: Tensor, variability: float) -> TumorMemory:
    """Untreated patients of a context (B, 3) from noise (B, PATIENT_NOISE); nothing was scanned yet."""
    stage, kind = context[:, 1] - 1, context[:, 2]
    traits = draw_traits(noise[:, 1 : 1 + DRAWS], kind, stage=stage, smallest=SMALLEST, largest=LARGEST)
    marrow = draw_marrow(noise[:, 1 + DRAWS : 1 + DRAWS + MARROW], variability)
    lung, aspect, anatomy = noise[:, -3:].t().contiguous().unbind(0)
    volume = volume_of(traits.diameter)[None]
    nothing = torch.zeros_like(volume)
    return TumorMemory(
        alpha=HYPOXIA * traits.alpha[None],
        growth=traits.growth[None],
        chemosensitivity=traits.chemosensitivity[None],
        lung_share=(LUNG_SHARE * (traits.diameter / 6).sqrt())[None],
        tolerance=(LUNG_MEAN * (1 + LUNG_SPREAD * lung)).clamp_min(2)[None],
        aspect=torch.exp(0.25 * aspect.abs())[None],
        anatomy=anatomy[None],
        decay=marrow.decay,
        share=marrow.share,
        slope=marrow.slope,
        rate=marrow.rate,
        baseline=marrow.baseline,
        volume=volume,
        concentration=nothing,
        amounts=marrow.amounts,
        cells=marrow.cells,
        gray=nothing,
        neutropenia=nothing,
        cause=nothing,
        scan_volume=volume,
        scan_noise=nothing,
        first_volume=volume,
    )
