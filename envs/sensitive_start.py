"""A low first dose of warfarin for genotypes that need little of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from .constraints import CLOCK, SLACK


@dataclass(frozen=True)
class SensitiveStart:
    """At the first visit a patient with a sensitive genotype is given at most `limit`; the cost is the excess.

    Sensitive are CYP2C9 with a *3 allele (genotypes 2, 4 and 5 of the spec) and VKORC1 A/A (genotype 2).
    """

    name: str
    column: int  # of the drug
    limit: float
    unit: str
    cyp2c9: int  # column of the context
    vkorc1: int
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Excess (B,) of the first dose; 0 where permitted."""
        return torch.where(self.permits(before, dose, hours), 0.0, dose[:, self.column] - self.limit)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return ~self._applies(state) | (dose[:, self.column] <= self.limit * (1 + SLACK))

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U)."""
        rate = dose[:, self.column]
        capped = torch.where(self._applies(state), rate.clamp_max(self.limit), rate)
        return torch.cat([dose[:, : self.column], capped[:, None], dose[:, self.column + 1 :]], 1)

    def _applies(self, state: PatientState) -> Tensor:
        star, base = state.context[:, self.cyp2c9], state.context[:, self.vkorc1]
        return ((star == 2) | (star >= 4) | (base == 2)) & (state.hours < CLOCK)
