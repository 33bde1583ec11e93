"""Safety limits on what is measured: how far a value is out of its range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec
from .constraints import CLOCK, DoseLimit
from .withheld import Withheld


@dataclass(frozen=True)
class StateLimit:
    """A measurement should not be beyond `bound` at the end of an interval, from `after_hours` on.

    Reported, not masked: what a dose leads to is not known before. The cost is how far beyond the value is, so
    `limit` is 0; an interval in which the stay ends costs nothing, for no value is recorded of its end.
    """

    name: str
    column: int  # of the feature
    bound: float
    below: bool  # beyond means below the bound
    unit: str
    after_hours: float = 0.0
    limit: float = 0.0
    hard: bool = False

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """How far (B,) the value is beyond the bound; 0 where it is not."""
        value = after.vitals[:, self.column]
        beyond = self.bound - value if self.below else value - self.bound
        counts = (after.hours > self.after_hours - CLOCK) & (after.outcome == IN_CARE)
        return torch.where(counts, beyond.clamp_min(0), 0.0)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Everything (B,) bool."""
        return torch.ones_like(state.outcome, dtype=torch.bool)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose as it is (B, U)."""
        return dose


def propofol_limits(spec: Spec, interval_hours: float) -> tuple[DoseLimit | StateLimit, ...]:
    """Up to 34 mg/kg/h (40 mg/min at 70 kg) after three minutes of induction; BIS below 40; MAP below 65 mmHg.

    The rate is a design choice; MAP 65 after Sessler et al. (2019), Br J Anaesth 122:563.
    """
    return (
        DoseLimit("propofol limit", spec.drug("propofol"), 34.0, "mg/kg/h", after_hours=3 / 60),
        StateLimit("BIS below 40", spec.feature("bis"), 40.0, True, "points"),
        StateLimit("arterial pressure below 65 mmHg", spec.feature("map"), 65.0, True, "mmHg"),
    )


def glucose_limits(spec: Spec, interval_hours: float) -> tuple[Withheld | StateLimit, ...]:
    """No bolus below 70 mg/dL; glucose below 54 and above 250 mg/dL: the consensus of Battelino et al. (2019)."""
    cgm = spec.feature("cgm")
    return (
        Withheld("bolus below 70 mg/dL", cgm, 70.0, spec.drug("bolus"), "U/kg/h"),
        StateLimit("glucose below 54 mg/dL", cgm, 54.0, True, "mg/dL"),
        StateLimit("glucose above 250 mg/dL", cgm, 250.0, False, "mg/dL"),
    )


def hiv_limits(spec: Spec, interval_hours: float) -> tuple[StateLimit, ...]:
    """CD4 below 200 /uL (AIDS), and a viral load above 200 copies/mL after 24 weeks (virological failure).

    Thresholds of the US guidelines for adults with HIV.
    """
    return (
        StateLimit("CD4 below 200 /uL", spec.feature("cd4"), 200.0, True, "cells/uL"),
        StateLimit("virus above 200 copies/mL", spec.feature("viral_load"), 200.0, False, "copies/mL", 24 * 7 * 24.0),
    )
