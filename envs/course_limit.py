"""Cumulative limits: how much of a drug may be given in all, such as a course of radiotherapy or litres of fluid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from .constraints import SLACK, with_rate


@dataclass(frozen=True)
class CourseLimit:
    """All that is ever given of a drug may not exceed `limit`. The cost is what a dose adds beyond it, in `unit`."""

    name: str
    column: int  # of the drug
    limit: float  # in `unit`
    unit: str
    per_hours: float  # hours in which a rate of 1 gives 1 `unit`
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Amount (B,) beyond the course."""
        given = dose[:, self.column] * hours / self.per_hours
        return torch.where(self.permits(before, dose, hours), 0.0, given - self._left(before))

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) fits into what is left of the course (B,) bool."""
        rate = dose[:, self.column]
        return (rate <= 0) | (rate * hours / self.per_hours <= self._left(state) + SLACK * self.limit)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U)."""
        most = self._left(state) * self.per_hours / hours.clamp_min(1e-6)
        return with_rate(dose, self.column, torch.minimum(dose[:, self.column], most))

    def _left(self, state: PatientState) -> Tensor:
        return (self.limit - state.total_dose[:, self.column] / self.per_hours).clamp_min(0)
