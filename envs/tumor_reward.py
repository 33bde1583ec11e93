"""What chemoradiation is judged by: a smaller tumour on the scan against its harms. Reads nothing that is hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import DIED, DISCHARGED, PatientState, Spec
from .rewards import Meaning


@dataclass(frozen=True)
class TumorReward:
    """Paid at every decision; the weights are design choices.

    `shrinkage` x fall of log(volume + 1 cm3) as last scanned, which adds up to that from the first scan to the last;
    less `neutropenia` for a count below .5e9/L, `pneumonitis` where it begins, `burden` per unit of chemotherapy;
    and once `died` or `cured`.
    """

    volume: int  # columns
    neutrophils: int
    inflamed: int
    chemotherapy: int
    shrinkage: float = 0.2
    neutropenia: float = 0.1
    pneumonitis: float = 0.3
    burden: float = 0.02
    died: float = -2.0
    cured: float = 1.0

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward=f"{self.shrinkage:g} per fall of log(tumour volume + 1 cm3) on the scan; less {self.neutropenia:g} "
            f"per week with neutrophils below 0.5e9/L, {self.pneumonitis:g} for pneumonitis and {self.burden:g} per "
            f"unit of chemotherapy; {self.died:g} for death, {self.cured:+g} for cure",
            text="Tumour shrinkage less the harms of treatment, over at most {span}.",
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) of an interval; 0 for a stay that had ended before it."""
        size = torch.log1p(before.vitals[:, self.volume]) - torch.log1p(after.vitals[:, self.volume])
        low = (after.vitals[:, self.neutrophils] < 0.5).to(size.dtype)
        begun = (after.vitals[:, self.inflamed] - before.vitals[:, self.inflamed]).clamp_min(0)
        units = dose[:, self.chemotherapy] * hours / 168
        harm = self.neutropenia * low + self.pneumonitis * begun + self.burden * units
        end = self.died * (after.outcome == DIED) + self.cured * (after.outcome == DISCHARGED)
        return torch.where(before.outcome == 0, self.shrinkage * size - harm + end, 0.0)


def tumor_reward(spec: Spec, hours: float, **weights: float) -> TumorReward:
    """The reward of chemoradiation for any spec that names its columns; KeyError where one is missing."""
    return TumorReward(
        spec.feature("volume"),
        spec.feature("neutrophils"),
        spec.feature("pneumonitis"),
        spec.drug("chemotherapy"),
        **weights,
    )
