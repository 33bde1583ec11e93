"""What the tumour model remembers of a patient and hides from agents, in groups of columns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .tumor_growth import Tumor
from .tumor_marrow import Marrow


class TumorMemory(NamedTuple):
    """The hidden columns in groups, each (k, B) float32."""

    # Traits, drawn at admission
    alpha: Tensor  # (1,) 1/Gy, radiosensitivity
    growth: Tensor  # (1,) rho, 1/day
    chemosensitivity: Tensor  # (1,) beta_c, 1/day per mg/m3
    lung_share: Tensor  # (1,) mean lung dose per Gy to the tumour
    tolerance: Tensor  # (1,) Gy of mean lung dose that the lung bears without symptoms
    aspect: Tensor  # (1,) longest over shortest diameter of the lesion
    anatomy: Tensor  # (1,) a standard normal that decides what the chest looks like
    decay: Tensor  # (3,) 1/h, see Marrow
    share: Tensor  # (3,) 1/L
    slope: Tensor  # (1,) L/mg
    rate: Tensor  # (1,) 1/h
    baseline: Tensor  # (1,) 10^9/L
    # Physiology, changing
    volume: Tensor  # (1,) cm3; 0 once cured
    concentration: Tensor  # (1,) mg/m3 of chemotherapy left of earlier days
    amounts: Tensor  # (3,) mg of docetaxel-equivalent
    cells: Tensor  # (5,) 10^9/L; the last is the neutrophil count
    gray: Tensor  # (1,) radiotherapy so far
    # Read-outs
    neutropenia: Tensor  # (1,) days of grade 4 in the last week
    cause: Tensor  # (1,) of death: 0 alive, 1 tumour, 2 neutropenic sepsis, 3 pneumonitis
    scan_volume: Tensor  # (1,) true cm3 at the last scan
    scan_noise: Tensor  # (1,) the standard normal that keys the pixels of the last scan
    # What a clinician keeps in mind: it was visible once
    first_volume: Tensor  # (1,) cm3, as reported at the first scan

    def tumor(self) -> Tumor:
        """The tumour's part, each (B,)."""
        parts = (self.alpha, self.growth, self.chemosensitivity, self.volume, self.concentration)
        return Tumor(*(part[0] for part in parts))

    def marrow(self) -> Marrow:
        """The marrow's part."""
        return Marrow(self.decay, self.share, self.slope, self.rate, self.baseline, self.amounts, self.cells)

    def pack(self) -> Tensor:
        """Memory (B, M), laid out by column, as `unpack` wants it."""
        return torch.cat(self).t()

    @classmethod
    def unpack(cls, memory: Tensor) -> TumorMemory:
        """The groups of memory (B, M), each contiguous."""
        return cls(*memory.t().contiguous().split([SIZES.get(name, 1) for name in cls._fields]))


SIZES = {"decay": 3, "share": 3, "amounts": 3, "cells": 5}
"""Columns of the groups that have several."""


def _columns() -> dict[str, int]:
    names = []
    for name in TumorMemory._fields:
        size = SIZES.get(name, 1)
        names += [name] if size == 1 else [f"{name}_{index}" for index in range(size)]
    return {name: column for column, name in enumerate(names)}


COLUMN = _columns()
"""Column of the memory by name; `cells_0`, `cells_1`, ... where a group has several."""

TRUTH = {
    name: COLUMN[name]
    for name in ("alpha", "growth", "chemosensitivity", "slope", "volume", "cells_4", "gray", "tolerance", "cause")
}
"""Hidden columns worth keeping as truth, by name."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (...) of the memory (..., M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the tumour model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[..., COLUMN[name]]
