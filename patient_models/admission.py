"""Who is admitted: context, first vitals and their ages, drawn from a Gaussian copula with smoothed marginals.

Only quantiles averaged over several stays and a correlation matrix are kept, never a patient's row (Nelsen 2006, An
Introduction to Copulas, section 2.3; normal scores after van der Waerden).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import Spec
from ..trajectories.carry import limits
from ..trajectories.scaling import Scaler
from .admission_fit import KNOTS, REACH, discrete

NEVER, CARRIED, SEEN = 0.0, 1.0, 2.0  # how a first value came to be known


@dataclass(frozen=True)
class _Columns:
    """Constants on one device."""

    quantiles: Tensor  # (J, KNOTS)
    cuts: Tensor  # (J, L)
    factor: Tensor  # (J, J)
    inverse: Tensor  # (C, C)
    grid: Tensor  # (C + D,)
    vitals: Scaler
    context: Scaler
    bounds: tuple[Tensor, Tensor]  # (C + D,) lowest and highest values of context and vitals
    whole: Tensor  # (J,) bool: discrete columns
    midpoint: Tensor  # (D,)
    max_age: Tensor  # (D,) hours


@dataclass(frozen=True, eq=False)
class Admission:
    """The joint distribution of J = C + 3 D columns: context, first vitals, how each is known, age if carried.

    Columns are in scaled units. A continuous one is read from its `quantiles` at KNOTS equally spaced standard
    normals from -REACH to REACH; the level of a discrete one is the number of its `cuts` below the standard normal.
    """

    spec: Spec
    quantiles: Tensor  # (J, KNOTS) rising along each row
    cuts: Tensor  # (J, L) rising along each row
    factor: Tensor  # (J, J) lower triangular factor of the correlation of normal scores
    grid: Tensor  # (C + D,) what values are rounded to, in clinical units; 0: to nothing
    _on: dict[torch.device, _Columns] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def noise_dim(self) -> int:
        """J, the standard normals that an admission takes."""
        return len(self.spec.context) + 3 * len(self.spec.features)

    def draw(self, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Context (B, C), vitals, seen and age (B, D) from noise (B, J); given a context, the rest follows it."""
        c = self._columns(noise.device)
        width, features = len(self.spec.context), len(self.spec.features)
        if context is not None:
            noise = torch.cat([self._noise_of(context, noise[:, :width]), noise[:, width:]], 1)
        normal = noise @ c.factor.t()
        level = (normal[:, :, None] > c.cuts).sum(2).to(normal.dtype)
        column = torch.where(c.whole, level, _read(c.quantiles, normal))
        shown, value, known, age = column.split([width, features, features, features], 1)
        drawn = torch.cat([c.context.unscale(shown), c.vitals.unscale(value)], 1)
        drawn = torch.where(c.grid > 0, (drawn / c.grid).round() * c.grid, drawn)
        drawn = torch.minimum(torch.maximum(drawn, c.bounds[0]), c.bounds[1])
        age = torch.expm1(age.clamp(0, 1) * torch.log1p(c.max_age))
        return (
            drawn[:, :width] if context is None else context,
            torch.where(known > NEVER, drawn[:, width:], c.midpoint),
            known == SEEN,
            torch.where(known == SEEN, 0.0, torch.where(known == NEVER, c.max_age, age)),
        )

    def _noise_of(self, context: Tensor, noise: Tensor) -> Tensor:
        """The noise (B, C) under which `context` (B, C) is drawn; `noise` chooses among all that give a category."""
        c = self._columns(noise.device)
        width = len(self.spec.context)
        whole = c.whole[:width]
        point = ndtr(_crossing(c.quantiles[:width], c.context.scale(context)))
        ends = torch.nn.functional.pad(ndtr(c.cuts[:width]), (1, 1))
        ends[:, -1] = 1.0  # the shares (C, L + 2) up to which each level reaches, from 0 on
        level = torch.where(whole, context, 0.0).long().clamp(0, ends.shape[1] - 2).t()
        low, high = ends.gather(1, level).t(), ends.gather(1, level + 1).t()
        share = torch.where(whole, low + (high - low) * ndtr(noise), point)
        normal: Tensor = torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))
        return normal @ c.inverse.t()

    def _columns(self, device: torch.device) -> _Columns:
        if device not in self._on:
            both = [*self.spec.context, *self.spec.features]
            midpoint, max_age = limits(self.spec, device)
            width = len(self.spec.context)
            self._on[device] = _Columns(
                quantiles=self.quantiles.to(device),
                cuts=self.cuts.to(device),
                factor=self.factor.to(device),
                inverse=torch.linalg.inv(self.factor[:width, :width]).to(device),
                grid=self.grid.to(device),
                vitals=Scaler.of(self.spec.features).to(device),
                context=Scaler.of(self.spec.context).to(device),
                bounds=(
                    torch.tensor([f.low for f in both], device=device),
                    torch.tensor([f.high for f in both], device=device),
                ),
                whole=torch.from_numpy(discrete(self.spec)).to(device),
                midpoint=midpoint,
                max_age=max_age,
            )
        return self._on[device]


def _read(quantiles: Tensor, normal: Tensor) -> Tensor:
    """Values (B, J) of standard normals (B, J), linear between knots."""
    place = ((normal + REACH) * ((KNOTS - 1) / (2 * REACH))).clamp(0, KNOTS - 1 - 1e-4)
    left = place.long()
    low = quantiles.t().gather(0, left)
    return low + (quantiles.t().gather(0, left + 1) - low) * (place - left)


def _crossing(quantiles: Tensor, value: Tensor) -> Tensor:
    """Standard normals (B, C) at which the quantiles (C, KNOTS) reach `value` (B, C); beyond the ends, one further."""
    below = (quantiles < value[:, :, None]).sum(2)
    right = below.clamp(1, KNOTS - 1).t()
    low, high = quantiles.gather(1, right - 1).t(), quantiles.gather(1, right).t()
    part = ((value - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
    outside = torch.where(below == 0, -1.0, torch.where(below == KNOTS, 1.0, 0.0))
    return (right.t() - 1 + part) * (2 * REACH / (KNOTS - 1)) - REACH + outside
