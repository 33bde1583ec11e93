"""What a treatment is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..contracts import DIED, PatientState, Spec


@dataclass(frozen=True)
class Meaning:
    """What the rewards of a stay add up to, in words for reports; `{span}` stands for the time to the horizon."""

    reward: str  # what is paid, and when
    text: str  # one sentence for a reader
    value_name: str = "value"
    percent: bool = False  # a value is a probability or a share
    bounds: tuple[float, float] | None = None  # worst and best of a stay, where there are any


class Reward(Protocol):
    """Reward of one interval; `over` (B,) bool: the stay ended in it, by an outcome or at the horizon.

    It reads what is visible, for it is also that of records and of learned patients.
    """

    @property
    def meaning(self) -> Meaning: ...
    def __call__(
        self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor
    ) -> Tensor: ...


@dataclass(frozen=True)
class SurvivalReward:
    """Paid once, at the end of the stay: `died` for death, else `alive`; so a value reads as a survival probability."""

    alive: float = 1.0
    died: float = 0.0

    @property
    def meaning(self) -> Meaning:
        """In words."""
        survival = (self.alive, self.died) == (1.0, 0.0)
        return Meaning(
            reward=f"survival: {self.alive:g} if discharged alive or in care at the horizon, {self.died:g} if died",
            text="Probability of being alive at discharge, or after {span}."
            if survival
            else "Expected reward of a stay over at most {span}.",
            value_name="survival" if survival else "value",
            percent=survival,
            bounds=(min(self.alive, self.died), max(self.alive, self.died)),
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        earned = torch.where(after.outcome == DIED, self.died, self.alive)
        return torch.where(over, earned, 0.0).to(after.vitals.dtype)


def survival(spec: Spec, hours: float, *, alive: float = 1.0, died: float = 0.0) -> SurvivalReward:
    """The reward of survival: for every spec, and whatever the hours to the horizon."""
    return SurvivalReward(alive, died)
