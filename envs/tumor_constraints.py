"""Hard limits of chemoradiation: no chemotherapy on few neutrophils, and no radiotherapy beyond a course."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from .constraints import SLACK

LEAST_NEUTROPHILS = 1.5  # 10^9/L, the usual condition of the next dose
COURSE_GRAY = 66.0
WEEK = 168.0  # hours


@dataclass(frozen=True)
class Contraindication:
    """A drug may be given only while the last value of a feature is at least `limit`; else none of it.

    The cost is the rate given against that, in the drug's unit, so that cost > 0 is a violation.
    """

    name: str
    drug: int  # column
    feature: int  # column
    limit: float  # lowest value, in the feature's unit, on which the drug may be given
    unit: str
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Rate (B,) given although it should not have been."""
        return torch.where(self._fit(before), 0.0, dose[:, self.drug])

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return self._fit(state) | (dose[:, self.drug] <= 0)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U)."""
        return _with(dose, self.drug, torch.where(self._fit(state), dose[:, self.drug], 0.0))

    def _fit(self, state: PatientState) -> Tensor:
        return state.vitals[:, self.feature] >= self.limit


@dataclass(frozen=True)
class CourseLimit:
    """All that is ever given of a drug may not exceed `limit`. The cost is what a dose adds beyond it, in `unit`."""

    name: str
    column: int  # of the drug
    limit: float  # in `unit`
    unit: str
    per_hours: float  # hours in which a rate of 1 gives 1 `unit`
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Amount (B,) beyond the course."""
        given = dose[:, self.column] * hours / self.per_hours
        return torch.where(self.permits(before, dose, hours), 0.0, given - self._left(before))

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) fits into what is left of the course (B,) bool."""
        rate = dose[:, self.column]
        return (rate <= 0) | (rate * hours / self.per_hours <= self._left(state) + SLACK * self.limit)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The nearest permitted dose (B, U)."""
        most = self._left(state) * self.per_hours / hours.clamp_min(1e-6)
        return _with(dose, self.column, torch.minimum(dose[:, self.column], most))

    def _left(self, state: PatientState) -> Tensor:
        return (self.limit - state.total_dose[:, self.column] / self.per_hours).clamp_min(0)


def tumor_limits(spec: Spec, interval_hours: float = WEEK) -> tuple[Contraindication | CourseLimit, ...]:
    """Chemotherapy only with neutrophils of at least 1.5e9/L; radiotherapy up to 66 Gy in all.

    For any spec with `chemotherapy`, `radiotherapy` (Gy/week) and `neutrophils`; KeyError where one is missing.
    """
    return (
        Contraindication(
            "chemotherapy on few neutrophils",
            spec.drug("chemotherapy"),
            spec.feature("neutrophils"),
            LEAST_NEUTROPHILS,
            "units/week",
        ),
        CourseLimit("radiotherapy course", spec.drug("radiotherapy"), COURSE_GRAY, "Gy", WEEK),
    )


def _with(dose: Tensor, column: int, rate: Tensor) -> Tensor:
    """The doses (B, U) with one column replaced by rate (B,)."""
    return torch.cat([dose[:, :column], rate[:, None], dose[:, column + 1 :]], 1)
