"""Clinical units to dimensionless ones and back, from reference ranges alone, never from a cohort's mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Drug, Feature, Spec


@dataclass(frozen=True)
class Scaler:
    """Elementwise map of columns: x -> (f(x) - center) / width, f the logarithm for log-scaled columns.

    The reference range maps to -1..1, its midpoint (geometric for log) to 0. A category keeps its number.
    """

    log: Tensor  # (D,) bool
    center: Tensor  # (D,)
    width: Tensor  # (D,)
    floor: Tensor  # (D,) smallest value taken into the logarithm

    @classmethod
    def of(cls, features: Sequence[Feature]) -> Scaler:
        """The scaler of these columns; ValueError where a log-scaled reference range is not positive."""
        log, center, width, floor = [], [], [], []
        for feature in features:
            low, high = feature.reference
            if feature.scale == "log" and not 0 < low < high:
                raise ValueError(f"{feature.name}: log scale needs 0 < reference low < high, got {feature.reference}")
            ends = torch.tensor([low, high], dtype=torch.float64)
            ends = ends.log() if feature.scale == "log" else ends
            plain = feature.scale == "category"
            log.append(feature.scale == "log")
            center.append(0.0 if plain else float(ends.mean()))
            width.append(1.0 if plain else max(float(ends[1] - ends[0]) / 2, 1e-6))
            floor.append(max(feature.low, low / 100) if feature.scale == "log" else 0.0)
        return cls(torch.tensor(log, dtype=torch.bool), torch.tensor(center), torch.tensor(width), torch.tensor(floor))

    def to(self, device: torch.device | str) -> Scaler:
        """The same scaler on `device`."""
        return Scaler(self.log.to(device), self.center.to(device), self.width.to(device), self.floor.to(device))

    def scale(self, x: Tensor) -> Tensor:
        """Clinical units (..., D) to scaled ones."""
        return (torch.where(self.log, torch.maximum(x, self.floor).clamp_min(1e-9).log(), x) - self.center) / self.width

    def unscale(self, y: Tensor) -> Tensor:
        """Scaled units (..., D) back to clinical ones."""
        x = y * self.width + self.center
        return torch.where(self.log, torch.where(self.log, x, 0.0).exp(), x)


def scale_age(spec: Spec, age: Tensor) -> Tensor:
    """Hours since measured (..., D) to 0 (just now) .. 1 (`max_age` or never), logarithmic in between."""
    limit = torch.tensor([f.max_age for f in spec.features], device=age.device)
    return torch.log1p(age) / torch.log1p(limit)


def scale_dose(drugs: Sequence[Drug], dose: Tensor) -> Tensor:
    """Mean rates (..., U) to about 0..1, square-rooted so that small doses stay apart; 1 is the highest level."""
    top = torch.tensor([d.levels[-1] if d.levels else d.high for d in drugs], device=dose.device)
    return (dose / top).clamp_min(0).sqrt()
