"""What a treatment is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..contracts import DIED, PatientState


class Reward(Protocol):
    """Reward of one interval; `over` (B,) bool: the stay ended in it, by an outcome or at the horizon."""

    def __call__(
        self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor
    ) -> Tensor: ...


@dataclass(frozen=True)
class SurvivalReward:
    """Paid once, at the end of the stay: `died` for death, else `alive`; so a value reads as a survival probability."""

    alive: float = 1.0
    died: float = 0.0

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        earned = torch.where(after.outcome == DIED, self.died, self.alive)
        return torch.where(over, earned, 0.0).to(after.vitals.dtype)
