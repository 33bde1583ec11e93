"""Relative changes of dose as actions, as clinics titrate: so much more or less than last time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Spec

CHANGES = (-1.0, -0.25, -0.15, -0.10, 0.0, 0.10, 0.15, 0.25)  # -1: none until the next visit


@dataclass(frozen=True)
class RelativeDoses:
    """An action is a combination of relative changes, one per drug, from the dose given last; the first varies slowest.

    After a pause they are changes from the mean dose so far, at the first visit from `start` (U,). Doses stay within
    the drug's range. ValueError unless changes rise from -1, or where `start` is not one positive dose per drug.
    """

    spec: Spec
    start: tuple[float, ...]
    changes: tuple[float, ...] = CHANGES

    def __post_init__(self) -> None:
        if self.changes[0] != -1 or list(self.changes) != sorted(set(self.changes)):
            raise ValueError(f"changes: expected rising numbers from -1, got {self.changes}")
        if len(self.start) != len(self.spec.drugs) or min(self.start) <= 0:
            raise ValueError(f"start: expected a positive dose of each of {len(self.spec.drugs)} drugs: {self.start}")

    @property
    def count(self) -> int:
        """A."""
        return int(len(self.changes) ** len(self.start))

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        """Action (B,) int64 of the changes nearest to the mean rates (B, U)."""
        change = dose / self._reference(state) - 1
        nearest = (change[:, :, None] - dose.new_tensor(self.changes)).abs().argmin(2)
        action = torch.zeros_like(nearest[:, 0])
        for column in nearest.unbind(1):
            action = action * len(self.changes) + column
        return action

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        """Mean rates (B, U) of actions (B,) int64."""
        columns = []
        for _ in self.start:
            columns.append(action % len(self.changes))
            action = torch.div(action, len(self.changes), rounding_mode="floor")
        change = state.last_dose.new_tensor(self.changes)[torch.stack(columns[::-1], 1)]
        most = state.last_dose.new_tensor([d.levels[-1] if d.levels else d.high for d in self.spec.drugs])
        return torch.minimum(self._reference(state) * (1 + change), most)

    def _reference(self, state: PatientState) -> Tensor:
        """The dose (B, U) that changes are of."""
        mean = state.total_dose / state.hours[:, None].clamp_min(1e-6)
        before = torch.where(state.last_dose > 0, state.last_dose, mean)
        return torch.where(before > 0, before, before.new_tensor(self.start))
