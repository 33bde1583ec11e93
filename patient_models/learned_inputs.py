"""What a learned patient sees: what is known of a state, then the dose about to be given, in dimensionless columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec, Trajectories
from ..trajectories.scaling import Scaler

BOUND = 8.0  # scaled values are clipped to +-BOUND, so that one charting extreme cannot rule a fit
_DAY = 24.0  # hours; unit of total doses
_OCTAVES = 4.0  # steps are told apart up to so many doublings of the usual one


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
    """Known columns: scaled vitals, ages, seen flags, context, last and total doses, hours since admission.

    Then what is about to happen: doses and hours of the step. Scaling comes from the spec's reference ranges alone,
    never from a cohort.
    """

    spec: Spec
    usual_hours: float = 4.0  # of a step: the unit in which time is told
    varying: bool = False  # steps differ in length: each value's product with the length is a column too
    _on: dict[torch.device, _Columns] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size(self) -> int:
        """I, the number of columns."""
        return self.known + len(self.spec.drugs) + 1 + len(self.spec.features) * self.varying

    @property
    def known(self) -> int:
        """How many columns are known before the step: the first ones."""
        return 3 * len(self.spec.features) + len(self.spec.context) + 2 * len(self.spec.drugs) + 1

    def columns(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Inputs (B, I) of states about to be given `dose` (B, U) for `hours` (B,)."""
        top = self._columns(dose.device).dose
        given = [(state.last_dose / top).sqrt(), (state.total_dose / (top * _DAY)).sqrt(), self._clock(state.hours)]
        observed = self._observed(state)
        return torch.cat([*observed, *given, *self._ahead(observed[0], dose, hours)], 1)

    def first(self, observed: PatientState) -> Tensor:
        """Known columns (B, `known`) at admission: nothing was given yet."""
        given = observed.vitals.new_zeros(len(observed.vitals), 2 * len(self.spec.drugs) + 1)
        return torch.cat([*self._observed(observed), given], 1)

    def later(self, known: Tensor, dose: Tensor, hours: Tensor, observed: PatientState) -> Tensor:
        """Known columns (B, `known`) after `dose` (B, U) was given for `hours` (B,), from those before."""
        drugs, top = len(self.spec.drugs), self._columns(dose.device).dose
        total, since = known[:, -drugs - 1 : -1], torch.expm1(4 * known[:, -1]) * self.usual_hours
        total = (total.square() + dose / top * hours[:, None] / _DAY).sqrt()
        return torch.cat([*self._observed(observed), (dose / top).sqrt(), total, self._clock(since + hours)], 1)

    def complete(self, known: Tensor, dose: Tensor, hours: Tensor) -> Tensor:
        """Inputs (B, I) from known columns (B, `known`) and what is about to happen."""
        return torch.cat([known, *self._ahead(known[:, : len(self.spec.features)], dose, hours)], 1)

    def _observed(self, observed: PatientState) -> list[Tensor]:
        c = self._columns(observed.vitals.device)
        return [
            self.values(observed.vitals),
            torch.log1p(observed.age) / c.age,
            observed.seen.to(observed.vitals.dtype),
            c.context.scale(observed.context).clamp(-BOUND, BOUND),
        ]

    def _ahead(self, values: Tensor, dose: Tensor, hours: Tensor) -> list[Tensor]:
        steps = torch.log2(hours / self.usual_hours).clamp(-_OCTAVES, _OCTAVES)[:, None]
        given = [(dose / self._columns(dose.device).dose).sqrt(), steps]
        return [*given, values * steps] if self.varying else given

    def _clock(self, hours: Tensor) -> Tensor:
        """Hours since admission (B,) as a column (B, 1), logarithmically."""
        return torch.log1p(hours / self.usual_hours)[:, None] / 4

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
