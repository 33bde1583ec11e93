"""Hard limits on doses: the same object masks, projects and reports."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Spec

SLACK = 1e-5  # relative; a level that equals the limit in decimal must not exceed it in float32
CLOCK = 1e-3  # hours; the same for sums of intervals


def with_rate(dose: Tensor, column: int, rate: Tensor) -> Tensor:
    """The doses (B, U) with one column replaced by rate (B,)."""
    return torch.cat([dose[:, :column], rate[:, None], dose[:, column + 1 :]], 1)


@dataclass(frozen=True)
class DoseLimit:
    """A drug's mean rate may not exceed `limit` in decisions made `after_hours` or later.

    The cost is the excess over the limit, in the drug's unit, so that cost > 0 is a violation.
    """

    name: str
    column: int  # of the drug
    limit: float  # highest permitted mean rate
    unit: str
    after_hours: float = 0.0
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Excess (B,) of the mean rate over the limit; 0 where permitted."""
        return torch.where(self.permits(before, dose, hours), 0.0, dose[:, self.column] - self.limit)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return ~self._applies(state) | (dose[:, self.column] <= self.limit * (1 + SLACK))

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U)."""
        rate = dose[:, self.column]
        capped = torch.where(self._applies(state), rate.clamp_max(self.limit), rate)
        return with_rate(dose, self.column, capped)

    def _applies(self, state: PatientState) -> Tensor:
        return state.hours > self.after_hours - CLOCK


def sepsis_limits(spec: Spec, interval_hours: float = 4.0) -> tuple[DoseLimit, ...]:
    """Norepinephrine up to .20 ug/kg/min; fluid up to 2 L per 4 h (500 mL/h) after the first interval.

    For any spec with drugs `norepinephrine` (ug/kg/min) and `fluid` (mL/h); KeyError where one is missing. The
    limits are design choices of the composite sepsis model, not a guideline's.
    """
    return (
        DoseLimit("norepinephrine limit", spec.drug("norepinephrine"), 0.20, "ug/kg/min"),
        DoseLimit("fluid limit", spec.drug("fluid"), 500.0, "mL/h", after_hours=interval_hours),
    )
