"""Rate of change: how far a dose may move from one decision to the next. Stopping a drug is always allowed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from .constraints import CLOCK, SLACK, with_rate


@dataclass(frozen=True)
class StepLimit:
    """A drug's mean rate may differ from the last one by at most `limit`, in its unit, from the second decision on.

    The cost is how far a change goes beyond that, so that cost > 0 is a violation. A dose of none is no violation.
    """

    name: str
    column: int  # of the drug
    limit: float  # largest change from one decision to the next
    unit: str
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Excess (B,) of the change; 0 where permitted."""
        change = (dose[:, self.column] - before.last_dose[:, self.column]).abs()
        return torch.where(self.permits(before, dose, hours), 0.0, change - self.limit)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        given, last = dose[:, self.column], state.last_dose[:, self.column]
        return ((given - last).abs() <= self.limit * (1 + SLACK)) | (given <= 0) | self._first(state)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U); a drug that is to be stopped is stopped."""
        given, last = dose[:, self.column], state.last_dose[:, self.column]
        near = torch.minimum(torch.maximum(given, last - self.limit), last + self.limit)
        moved = torch.where((given <= 0) | self._first(state), given, near)
        return with_rate(dose, self.column, moved)

    def _first(self, state: PatientState) -> Tensor:
        return state.hours < CLOCK


@dataclass(frozen=True)
class ChangeLimit:
    """A dose may differ from the last one by at most the share `limit` of it; stopping and restarting are free.

    The cost is how far, in shares of the last dose, a change goes beyond the limit.
    """

    name: str
    column: int  # of the drug
    limit: float
    unit: str = "share"
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Excess (B,) of the change; 0 where permitted."""
        change = (dose[:, self.column] / before.last_dose[:, self.column].clamp_min(1e-6) - 1).abs()
        return torch.where(self.permits(before, dose, hours), 0.0, change - self.limit)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        last, given = state.last_dose[:, self.column], dose[:, self.column]
        small = (given - last).abs() <= (self.limit + SLACK) * last
        return small | (last <= 0) | (given <= 0)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U) that is not none."""
        last, given = state.last_dose[:, self.column], dose[:, self.column]
        near = torch.minimum(torch.maximum(given, (1 - self.limit) * last), (1 + self.limit) * last)
        return with_rate(dose, self.column, torch.where((last <= 0) | (given <= 0), given, near))
