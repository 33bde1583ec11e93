"""What an action means: one of the dose-level combinations, or a point on each drug's dose scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories.levels import action_of_dose, dose_of_action

Action = Literal["levels", "continuous"]


class ActionRule(Protocol):
    """Actions to doses and back."""

    @property
    def count(self) -> int | None: ...  # A, or None: continuous (B, U) in -1..1
    def encode(self, state: PatientState, dose: Tensor) -> Tensor: ...
    def decode(self, state: PatientState, action: Tensor) -> Tensor: ...


def action_rule(spec: Spec, action: Action | ActionRule) -> ActionRule:
    """The rule itself, or that of that name; ValueError for another name, or for levels of a drug that has none."""
    if not isinstance(action, str):
        return action
    if action == "continuous":
        return ContinuousDoses(spec)
    if action != "levels":
        raise ValueError(f"action: expected 'levels' or 'continuous', got {action!r}")
    bare = [drug.name for drug in spec.drugs if not drug.levels]
    if bare:
        raise ValueError(
            f"dose levels are the actions, but {', '.join(bare)} has none: give the drug levels, or choose "
            "action='continuous'"
        )
    return DoseLevels(spec)


@dataclass(frozen=True)
class DoseLevels:
    """A discrete action is a combination of fixed doses, one level per drug."""

    spec: Spec
    _doses: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def count(self) -> int:
        """A."""
        return self.spec.actions

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        """Action (B,) int64 whose levels the mean rates (B, U) fall into."""
        return action_of_dose(self.spec, dose)

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        """Fixed dose (B, U) of each action (B,) int64 in 0..A-1."""
        return self.table(action.device)[action]

    def table(self, device: torch.device) -> Tensor:
        """The fixed dose (A, U) of every action, kept on each device that asked."""
        if device not in self._doses:
            self._doses[device] = dose_of_action(self.spec, torch.arange(self.count)).to(device)
        return self._doses[device]


@dataclass(frozen=True)
class ContinuousDoses:
    """A continuous action (B, U) runs, for each drug, from -1 (none) to 1 (its highest level, or else its `high`).

    The action is linear in the square root of the dose, as observations are, so that small doses stay apart: half
    way, 0, is a quarter of the highest.
    """

    spec: Spec
    _tops: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def count(self) -> None:
        """None: there are no discrete actions to count."""
        return None

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        """Action (B, U) float32 of mean rates (B, U); 1 for rates beyond the usable range."""
        return 2 * (dose / self._top(dose.device)).clamp(0, 1).sqrt() - 1

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        """Mean rates (B, U) of actions (B, U), which are clipped to -1..1."""
        return self.dose(action)

    def dose(self, action: Tensor) -> Tensor:
        """The same; the state never matters here."""
        return self._top(action.device) * ((action.clamp(-1, 1) + 1) / 2).square()

    def _top(self, device: torch.device) -> Tensor:
        """The usable range of each drug (U,), kept on each device that asked."""
        if device not in self._tops:
            top = [drug.levels[-1] if drug.levels else drug.high for drug in self.spec.drugs]
            self._tops[device] = torch.tensor(top, device=device)
        return self._tops[device]
