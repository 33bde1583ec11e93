"""Contraindications by one measurement: a drug that is withheld while a value is too low, or too high."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from .constraints import with_rate


@dataclass(frozen=True)
class Withheld:
    """A drug is not given while the last value of a feature is below `bound`, or with `above` beyond it.

    The cost is the dose given all the same, in the drug's unit, so that cost > 0 is a violation.
    """

    name: str
    column: int  # of the feature
    bound: float  # in the feature's unit
    drug: int  # column of the drug
    unit: str
    above: bool = False
    limit: float = 0.0
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """The dose (B,) that should not have been given."""
        return torch.where(self._applies(before), dose[:, self.drug], 0.0)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return ~self._applies(state) | (dose[:, self.drug] <= 0)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose (B, U) without the drug where it is withheld."""
        return with_rate(dose, self.drug, torch.where(self._applies(state), 0.0, dose[:, self.drug]))

    def _applies(self, state: PatientState) -> Tensor:
        value = state.vitals[:, self.column]
        return value > self.bound if self.above else value < self.bound
