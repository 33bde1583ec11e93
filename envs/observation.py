"""What a policy sees: one row of dimensionless columns, laid out by the spec alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories.scaling import Scaler

BOUND = 8.0  # observations are clipped to +-BOUND: sixteen half-widths of a reference range say "extreme"
DAY = 24.0  # hours; unit of time and of total doses


def observation_names(spec: Spec) -> tuple[str, ...]:
    """Names of the O observation columns, in order."""
    features, drugs = [f.name for f in spec.features], [d.name for d in spec.drugs]
    return (
        *features,
        *(f"{name} age" for name in features),
        *(f"{name} seen" for name in features),
        *(c.name for c in spec.context),
        *(f"{name} last" for name in drugs),
        *(f"{name} total" for name in drugs),
        "days",
        "time left",
    )


@dataclass(frozen=True)
class _Columns:
    """Constants of the layout on one device."""

    vitals: Scaler
    context: Scaler
    age: Tensor  # (D,) logarithm of one plus the maximal age
    dose: Tensor  # (U,) highest level, or the physical maximum
    low: Tensor  # (O,)
    high: Tensor  # (O,)


@dataclass(frozen=True)
class Layout:
    """Observation (B, O) of a state: values, their ages, which are fresh, context, doses and time.

    Values and context are scaled by their reference ranges; ages run from 0 (just now) to 1 (never), logarithmically;
    doses are square-rooted shares of the highest level (the total, of a day at it); time is in days since admission
    and as the share of the horizon left. Nothing is learned from a cohort, so that a policy keeps its meaning in
    every environment of the same spec.
    """

    spec: Spec
    horizon_hours: float
    _on: dict[torch.device, _Columns] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size(self) -> int:
        """O, the number of columns."""
        return 3 * len(self.spec.features) + len(self.spec.context) + 2 * len(self.spec.drugs) + 2

    def bounds(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Lowest and highest value (O,) of every column."""
        columns = self._columns(torch.device(device))
        return columns.low, columns.high

    def observe(self, state: PatientState) -> Tensor:
        """Observation (B, O) float32 within +-BOUND; always a fresh tensor."""
        c = self._columns(state.vitals.device)
        days = state.hours[:, None] / DAY
        columns = [
            c.vitals.scale(state.vitals),
            torch.log1p(state.age) / c.age,
            state.seen.to(state.vitals.dtype),
            c.context.scale(state.context),
            (state.last_dose / c.dose).clamp_min(0).sqrt(),
            (state.total_dose / (c.dose * DAY)).clamp_min(0).sqrt(),
            days,
            (1 - days * (DAY / self.horizon_hours)).clamp_min(0),
        ]
        return torch.cat(columns, 1).clamp_(-BOUND, BOUND)

    def _columns(self, device: torch.device) -> _Columns:
        if device not in self._on:
            self._on[device] = self._make(device)
        return self._on[device]

    def _make(self, device: torch.device) -> _Columns:
        features, drugs = self.spec.features, self.spec.drugs
        signed = torch.zeros(self.size, dtype=torch.bool)
        signed[: len(features)] = True
        signed[3 * len(features) :][: len(self.spec.context)] = True
        return _Columns(
            vitals=Scaler.of(features).to(device),
            context=Scaler.of(self.spec.context).to(device),
            age=torch.log1p(torch.tensor([f.max_age for f in features], device=device)),
            dose=torch.tensor([d.levels[-1] if d.levels else d.high for d in drugs], device=device),
            low=torch.where(signed, -BOUND, 0.0).to(device),
            high=torch.full((self.size,), BOUND, device=device),
        )
