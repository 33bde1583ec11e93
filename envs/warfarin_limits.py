"""Hard limits of warfarin dosing: the greatest dose, the greatest change, and none while the INR is too high."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Constraint, PatientState, Spec
from .constraints import SLACK, DoseLimit


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
        return _with(dose, self.column, torch.where((last <= 0) | (given <= 0), given, near))


@dataclass(frozen=True)
class HeldAbove:
    """A drug is not given while a measurement is above `bound`; the cost is the dose given all the same."""

    name: str
    feature: int  # column of the measurement
    bound: float
    column: int  # of the drug
    unit: str
    limit: float = 0.0
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """The dose (B,) that should not have been given."""
        return torch.where(self._applies(before), dose[:, self.column], 0.0)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return ~self._applies(state) | (dose[:, self.column] <= 0)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose (B, U) without the drug where it is held."""
        return _with(dose, self.column, torch.where(self._applies(state), 0.0, dose[:, self.column]))

    def _applies(self, state: PatientState) -> Tensor:
        return state.vitals[:, self.feature] > self.bound


def warfarin_limits(spec: Spec, interval_hours: float) -> tuple[Constraint, ...]:
    """Up to 15 mg/d, changes by at most a quarter from visit to visit, and none above an INR of 5 (design choices)."""
    drug = spec.drug("warfarin")
    return (
        DoseLimit("warfarin limit", drug, 15.0, "mg/d"),
        ChangeLimit("change of warfarin", drug, 0.25),
        HeldAbove("warfarin above INR 5", spec.feature("inr"), 5.0, drug, "mg/d"),
    )


def _with(dose: Tensor, column: int, given: Tensor) -> Tensor:
    return torch.cat([dose[:, :column], given[:, None], dose[:, column + 1 :]], 1)
