"""Rewards that are costs: how far anaesthesia or glucose is from where it should be, averaged over the stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import DIED, IN_CARE, PatientState, Spec
from ..patient_models.glucose_risk import risk
from .rewards import Meaning


@dataclass(frozen=True)
class MeanCost:
    """Minus the cost of the value shown at the end of each interval, times hours / span.

    The cost may not exceed `worst`; death costs as much for the interval in which it falls and the rest of the span,
    else it would pay to end early. Discharge costs nothing from the interval on in which it falls.
    """

    column: int  # of the feature
    cost: Callable[[Tensor], Tensor]  # (B,) from values (B,)
    worst: float
    span: float  # hours to the horizon
    what: str  # the cost in words

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward=f"minus {self.what}, averaged over time; {self.worst:g} from death on",
            text="Expected mean over " + "{span} of " + f"{self.what}, with a minus sign: 0 is perfect.",
            bounds=(-self.worst, 0.0),
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        cost = self.cost(after.vitals[:, self.column]).clamp_max(self.worst) * hours
        left = (self.span - before.hours).clamp_min(0)  # after death: no value of that moment is recorded
        dying = (after.outcome == DIED) & over
        return -torch.where(after.outcome == IN_CARE, cost, torch.where(dying, self.worst * left, 0.0)) / self.span


def hypnosis_error(spec: Spec, hours: float) -> MeanCost:
    """Minus the mean absolute performance error of the BIS around 50, as anaesthesia controllers are compared by.

    Varvel et al. (1992), J Pharmacokinet Biopharm 20:63, with the mean over time in place of the median.
    """

    def error(bis: Tensor) -> Tensor:
        return (bis - 50).abs() / 50

    return MeanCost(spec.feature("bis"), error, 1.0, hours, "|BIS - 50| / 50")


def glucose_risk(spec: Spec, hours: float) -> MeanCost:
    """Minus the mean risk of low and high glucose, 0-100: Kovatchev et al. (1997), Diabetes Care 20:1655."""

    def both(glucose: Tensor) -> Tensor:
        low, high = risk(glucose)
        return low + high

    return MeanCost(spec.feature("cgm"), both, 100.0, hours, "the blood glucose risk function (0 to 100)")
