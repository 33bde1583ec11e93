"""What the HIV model remembers of a patient and hides from agents: traits and the six populations."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class HIVMemory(NamedTuple):
    """The hidden columns, each (B,) float32; `pack` and `unpack` turn them into the state's memory (B, M)."""

    # Traits, drawn at admission
    infectivity: Tensor  # k1, mL/virion/day, of CD4 cells
    macrophage_infectivity: Tensor  # k2, mL/virion/day
    death: Tensor  # delta, 1/day, of infected cells
    clearance: Tensor  # c, 1/day, of virus
    response: Tensor  # bE, 1/day, highest birth rate of immune effectors
    # Populations, changing
    healthy: Tensor  # T1, CD4 cells/mL
    macrophages: Tensor  # T2, cells/mL
    infected: Tensor  # T1*, CD4 cells/mL
    infected_macrophages: Tensor  # T2*, cells/mL
    virus: Tensor  # V, copies/mL
    effectors: Tensor  # E, cells/mL

    def pack(self) -> Tensor:
        """Memory (B, M), laid out by column, as `unpack` wants it."""
        return torch.stack(self).t()

    @classmethod
    def unpack(cls, memory: Tensor) -> HIVMemory:
        """The columns of memory (B, M), each contiguous."""
        return cls(*memory.t().contiguous().unbind(0))


COLUMN = {name: index for index, name in enumerate(HIVMemory._fields)}
"""Column of the memory by name."""

TRUTH = HIVMemory._fields
"""Hidden columns worth keeping as truth."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (...) of the memory (..., M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the HIV model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[..., COLUMN[name]]
