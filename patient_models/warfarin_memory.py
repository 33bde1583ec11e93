"""What the warfarin model remembers of a patient and hides from agents, in groups of columns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class WarfarinMemory(NamedTuple):
    """The hidden columns in groups, each (k, B) float32."""

    # Traits, drawn at admission
    elimination: Tensor  # (1,) 1/h, of the active drug
    volume: Tensor  # (1,) L
    half_effect: Tensor  # (1,) EC50, mg/L, on a usual diet
    baseline: Tensor  # (1,) INR without drug
    genotype: Tensor  # (2,) CYP2C9 and VKORC1, as category numbers
    sensitivity: Tensor  # (1,) SD by which the patient needs less than genotype, age and co-medication let expect
    # Physiology, changing
    amounts: Tensor  # (2,) mg of active drug in the gut and in the body
    deficit: Tensor  # (6,) share of clotting factors missing: stages 1-3, in each a fast and a slow chain
    diet: Tensor  # (1,) SD by which EC50 is raised by what is eaten, drifts within a patient
    # Read-outs
    inr: Tensor  # (1,) without measurement error
    highest: Tensor  # (1,) of the INR so far
    bands: Tensor  # (4,) hours so far with an INR below 2, from 2 to 3, from 3 to 5, above 5
    # What a clinician keeps in mind: all of it was visible once
    plan: Tensor  # (1,) mg/d, where titration stands, see `plan_after`; 0 before the first dose

    def pack(self) -> Tensor:
        """Memory (B, M), laid out by column, as `unpack` wants it."""
        return torch.cat(self).t()

    @classmethod
    def unpack(cls, memory: Tensor) -> WarfarinMemory:
        """The groups of memory (B, M), each contiguous."""
        return cls(*memory.t().contiguous().split(tuple(SIZES.values())))


SIZES = {
    "elimination": 1,
    "volume": 1,
    "half_effect": 1,
    "baseline": 1,
    "genotype": 2,
    "sensitivity": 1,
    "amounts": 2,
    "deficit": 6,
    "diet": 1,
    "inr": 1,
    "highest": 1,
    "bands": 4,
    "plan": 1,
}
"""Columns of each group."""

COLUMN = {
    name if size == 1 else f"{name}_{index}": sum(list(SIZES.values())[:place]) + index
    for place, (name, size) in enumerate(SIZES.items())
    for index in range(size)
}
"""Column of the memory by name; `bands_0`, `bands_1`, ... where a group has several."""

TRUTH = ("inr", "half_effect", "elimination", "sensitivity", "diet", "genotype_0", "genotype_1")
"""Hidden columns worth keeping as truth."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (...) of the memory (..., M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the warfarin model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[..., COLUMN[name]]
