"""A documented rule of chemoradiation on what is visible: a full course of rays, chemotherapy by blood count and scan.

Every threshold is a design choice, searched by hand among a few in the true model; never medical advice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import levels_of_dose
from .tumor_spec import SPEC, WEEK

NEUTROPHILS, VOLUME = SPEC.feature("neutrophils"), SPEC.feature("volume")
RADIOTHERAPY = SPEC.drug("radiotherapy")


@dataclass(frozen=True)
class TumorRule:
    """10 Gy a week up to 60 Gy; one unit of chemotherapy a week with neutrophils of at least `least`, else none.

    Half a unit once the scan shows less than `small`; one and a half above `large` with twice the neutrophils.
    """

    least: float = 1.5  # 10^9/L
    small: float = 5.0  # cm3
    large: float = 250.0
    course: float = 60.0  # Gy

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2)."""
        count, volume = state.vitals[:, NEUTROPHILS], state.vitals[:, VOLUME]
        units = torch.where(volume < self.small, 0.5, 1.0)
        units = torch.where((volume > self.large) & (count > 2 * self.least), 1.5, units)
        units = torch.where(count < self.least, 0.0, units)
        going = state.total_dose[:, RADIOTHERAPY] / WEEK < self.course - 1
        return torch.stack((units, torch.where(going, 10.0, 0.0)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """0 where `dose` (B, 2) is the rule's, else minus infinity (B,)."""
        ours = levels_of_dose(SPEC, self.dose(state, dose))
        return torch.where((ours == levels_of_dose(SPEC, dose)).all(1), 0.0, -torch.inf)
