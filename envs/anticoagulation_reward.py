"""What anticoagulation is judged by: time in the therapeutic range, by straight lines between measured INRs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec
from .rewards import Meaning

LOW, HIGH, TARGET = 2.0, 3.0, 2.5


@dataclass(frozen=True)
class TimeInTherapeuticRange:
    """Share of the time to the horizon with an INR of 2-3, as the INR runs straight from one visit to the next.

    The measure of Rosendaal, Cannegieter, van der Meer & Briet (1993), Thromb Haemost 69:236. An interval that ends in
    bleeding or clotting earns nothing, and `event` once; a course that ends early earns nothing for the time it leaves.
    """

    column: int  # of the INR
    span: float  # hours to the horizon
    event: float = 0.0

    @property
    def meaning(self) -> Meaning:
        """In words."""
        beside = f", and {self.event:g} for major bleeding or thromboembolism" if self.event else ""
        return Meaning(
            reward=f"time in therapeutic range: the share of time with an INR of 2-3 (Rosendaal){beside}",
            text="Expected share of {span} with an INR of 2-3 and without major bleeding or thromboembolism.",
            value_name="time in range",
            percent=self.event == 0,
            bounds=(min(0.0, self.event), 1.0),
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        first, last = before.vitals[:, self.column], after.vitals[:, self.column]
        low, high = torch.minimum(first, last), torch.maximum(first, last)
        inside = (torch.minimum(high, high.new_tensor(HIGH)) - low.clamp_min(LOW)).clamp_min(0)
        flat = high - low < 1e-6
        share = torch.where(flat, ((low >= LOW) & (low <= HIGH)).to(low.dtype), inside / (high - low).clamp_min(1e-6))
        earned = torch.where(after.outcome == IN_CARE, share * hours / self.span, self.event)
        return torch.where(before.outcome == IN_CARE, earned, 0.0)


@dataclass(frozen=True)
class SquaredDistance:
    """Minus the squared distance of the INR from 2.5 at the next visit, weighted with the time; `event` for one."""

    column: int  # of the INR
    span: float  # hours to the horizon
    event: float = -1.0

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward=f"minus the squared distance of the INR from 2.5, per time; {self.event:g} for bleeding or clotting",
            text="Expected reward over at most {span}.",
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        distance = (after.vitals[:, self.column] - TARGET).square() * hours / self.span
        earned = torch.where(after.outcome == IN_CARE, -distance, self.event)
        return torch.where(before.outcome == IN_CARE, earned, 0.0)


def inr_in_range(spec: Spec, hours: float, *, event: float = 0.0) -> TimeInTherapeuticRange:
    """Time in therapeutic range over `hours`; KeyError where the spec has no INR."""
    return TimeInTherapeuticRange(spec.feature("inr"), hours, event)


def inr_distance(spec: Spec, hours: float, *, event: float = -1.0) -> SquaredDistance:
    """Squared distance from an INR of 2.5 over `hours`; KeyError where the spec has no INR."""
    return SquaredDistance(spec.feature("inr"), hours, event)
