"""Time in range: what is paid is the share of the time to the horizon that a measurement is where it should be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec
from .rewards import Meaning


@dataclass(frozen=True)
class TimeInRange:
    """hours / span where the value shown at the end of an interval lies within low..high, else nothing.

    A stay that ends early earns nothing for its last interval, after which nothing is recorded, nor for the time that
    it leaves: a value is a share of the whole span.
    """

    column: int  # of the feature
    low: float
    high: float
    span: float  # hours to the horizon
    what: str  # the range in words

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward=f"time in range: the share of time with {self.what}",
            text="Expected share of " + "{span} with " + f"{self.what}.",
            value_name="time in range",
            percent=True,
            bounds=(0.0, 1.0),
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        value = after.vitals[:, self.column]
        inside = (value >= self.low) & (value <= self.high)
        return torch.where(inside & (after.outcome == IN_CARE), hours / self.span, 0.0)


def hypnosis_in_range(spec: Spec, hours: float) -> TimeInRange:
    """Bispectral index 40-60, what monitors recommend for general anaesthesia (Punjasawadwong et al. 2014)."""
    return TimeInRange(spec.feature("bis"), 40.0, 60.0, hours, "a bispectral index of 40 to 60")


def glucose_in_range(spec: Spec, hours: float) -> TimeInRange:
    """Sensor glucose 70-180 mg/dL: the consensus of Battelino et al. (2019), Diabetes Care 42:1593."""
    return TimeInRange(spec.feature("cgm"), 70.0, 180.0, hours, "a sensor glucose of 70 to 180 mg/dL")
