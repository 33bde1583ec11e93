"""What a learned patient sees of a state and the dose about to be given: one row of dimensionless columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec, Trajectories
from ..trajectories.scaling import Scaler

BOUND = 8.0  # scaled values are clipped to +-BOUND, so that one charting extreme cannot rule a fit
_DAY = 24.0  # hours; unit of total doses


@dataclass(frozen=True)
class _Columns:
    """Constants of the layout on one device."""

    vitals: Scaler
    context: Scaler
    age: Tensor  # (D,) logarithm of one plus the maximal age
    dose: Tensor  # (U,) highest level, or the physical maximum
    low: Tensor  # (D,) physical bounds
    high: Tensor  # (D,)
    whole: Tensor  # (D,) bool: a category


@dataclass(frozen=True)
class InputLayout:
    """Scaled vitals, ages, seen flags, doses (this, last, total), hours (of the step, since admission), context.

    Scaling comes from the spec's reference ranges alone, never from a cohort.
    """

    spec: Spec
    _on: dict[torch.device, _Columns] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size(self) -> int:
        """I, the number of columns."""
        return 3 * len(self.spec.features) + 3 * len(self.spec.drugs) + 2 + len(self.spec.context)

    def columns(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Inputs (B, I) of states about to be given `dose` (B, U) for `hours` (B,)."""
        c = self._columns(dose.device)
        return torch.cat(
            [
                self.values(state.vitals),
                torch.log1p(state.age) / c.age,
                state.seen.to(dose.dtype),
                (dose / c.dose).sqrt(),
                (state.last_dose / c.dose).sqrt(),
                (state.total_dose / (c.dose * _DAY)).sqrt(),
                torch.log1p(hours)[:, None] / 4,
                torch.log1p(state.hours)[:, None] / 4,
                c.context.scale(state.context).clamp(-BOUND, BOUND),
            ],
            1,
        )

    def values(self, vitals: Tensor) -> Tensor:
        """Scaled and clipped vitals (..., D)."""
        return self._columns(vitals.device).vitals.scale(vitals).clamp(-BOUND, BOUND)

    def vitals(self, values: Tensor) -> Tensor:
        """Scaled values (..., D) in clinical units, within physical bounds; a category is one of its numbers."""
        c = self._columns(values.device)
        vitals = c.vitals.unscale(values)
        return torch.where(c.whole, vitals.round(), vitals).clamp(c.low, c.high)

    def _columns(self, device: torch.device) -> _Columns:
        if device not in self._on:
            features, drugs = self.spec.features, self.spec.drugs
            self._on[device] = _Columns(
                vitals=Scaler.of(features).to(device),
                context=Scaler.of(self.spec.context).to(device),
                age=torch.log1p(torch.tensor([f.max_age for f in features], device=device)),
                dose=torch.tensor([d.levels[-1] if d.levels else d.high for d in drugs], device=device),
                low=torch.tensor([f.low for f in features], device=device),
                high=torch.tensor([f.high for f in features], device=device),
                whole=torch.tensor([f.scale == "category" for f in features], device=device),
            )
        return self._on[device]


def states_of(stays: Trajectories) -> PatientState:
    """Every recorded state, stay by stay (N * (T + 1) rows), without memory: what an observer knew then."""
    rows, steps = stays.vitals.shape[:2]
    start = stays.dose.new_zeros(rows, 1, stays.dose.shape[2])
    ended = torch.arange(steps, device=stays.mask.device) >= stays.length[:, None]
    each = PatientState(
        vitals=stays.vitals,
        seen=stays.seen,
        age=stays.age,
        memory=stays.vitals.new_zeros(rows, steps, 0),
        belief=stays.vitals.new_zeros(rows, steps, 0),
        context=stays.context[:, None].expand(rows, steps, -1),
        hours=torch.cat([stays.hours.new_zeros(rows, 1), stays.hours.cumsum(1)], 1),
        last_dose=torch.cat([start, stays.dose], 1),
        total_dose=torch.cat([start, (stays.dose * stays.hours[:, :, None]).cumsum(1)], 1),
        outcome=torch.where(ended, stays.outcome[:, None], IN_CARE),
    )
    return each.replace(**{name: value.flatten(0, 1) for name, value in vars(each).items()})
