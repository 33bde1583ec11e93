"""What budgets are set for: amounts given and time out of range, as costs that add up over a stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..contracts import IN_CARE, Constraint, PatientState, Step, Treatment
from .wrapped import Wrapped, wrap


@dataclass(frozen=True)
class AmountGiven:
    """How much of a drug is given: nothing is forbidden, and a stay's costs add up to its total, in `unit`."""

    name: str
    column: int  # of the drug
    unit: str
    per_hours: float  # hours in which a rate of 1 gives 1 `unit`
    limit: float = 0.0
    hard: bool = False

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Amount (B,) given in the interval, the last one of a stay too."""
        return dose[:, self.column] * hours / self.per_hours

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Everything (B,) bool."""
        return torch.ones_like(state.outcome, dtype=torch.bool)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose as it is (B, U)."""
        return dose


@dataclass(frozen=True)
class TimeBeyond:
    """Hours with a measurement beyond `bound`, as it runs straight from one decision to the next.

    The interpolation is that of Rosendaal et al. (1993), Thromb Haemost 69:236. An interval in which the stay ends
    costs nothing, for no value is recorded of its end. Nothing is forbidden: what a dose leads to is not known before.
    """

    name: str
    column: int  # of the feature
    bound: float
    below: bool  # beyond means below the bound
    unit: str = "h"
    per_hours: float = 1.0  # hours in one `unit`
    limit: float = 0.0
    hard: bool = False

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Time (B,) beyond the bound, in `unit`."""
        sign = -1.0 if self.below else 1.0
        first, last = (sign * (state.vitals[:, self.column] - self.bound) for state in (before, after))
        low, high = torch.minimum(first, last), torch.maximum(first, last)
        share = torch.where(high - low < 1e-6, (high > 0).to(high.dtype), high.clamp_min(0) / (high - low + 1e-12))
        spent = share.clamp_max(1) * hours / self.per_hours
        return torch.where(after.outcome == IN_CARE, spent, 0.0)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Everything (B,) bool."""
        return torch.ones_like(state.outcome, dtype=torch.bool)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose as it is (B, U)."""
        return dose


def with_costs(treatment: Treatment, costs: tuple[Constraint, ...]) -> Wrapped:
    """The treatment with further constraints counted beside its own: steps report their costs, nothing else changes.

    ValueError for a name that is there already, or a hard constraint, which `shield` executes.
    """
    names = [c.name for c in treatment.constraints]
    for cost in costs:
        if cost.name in names:
            raise ValueError(f"a constraint named {cost.name!r} is there already: name the new one otherwise")
        if cost.hard:
            raise ValueError(f"{cost.name!r} is hard, and here it would only be counted: give it to `shield`")
        names.append(cost.name)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        done = treatment.step(state, action, hours, noise)
        more = _columns(costs, state, done.dose, done)
        if done.attempted is None or done.intended is None:
            return replace(done, costs=torch.cat([done.costs, more], 1))
        wanted = _columns(costs, state, done.intended, done)
        attempted = torch.cat([done.attempted, wanted], 1)
        return replace(done, costs=torch.cat([done.costs, more], 1), attempted=attempted)

    return replace(wrap(treatment), constraints=(*treatment.constraints, *costs), step=step)


def _columns(costs: tuple[Constraint, ...], before: PatientState, dose: Tensor, done: Step) -> Tensor:
    return torch.stack([c.cost(before, dose, done.hours, done.state) for c in costs], 1)
