"""The shield: constraints between an agent and a patient, in a fixed order, with a named fallback behind them.

Mask: forbidden actions are not offered. Projection: one that is taken all the same becomes the nearest permitted one.
Fallback: where nothing is permitted, or the agent is unsure, somebody named decides. What was asked for and what was
done are both in the step, with the costs of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..contracts import Constraint, PatientState, Step, Treatment
from .deferral import Fallback, HandingBack
from .feasible import require_feasible
from .wrapped import Wrapped, wrap

_ROUNDS = 3  # of projecting onto one constraint after the other


@runtime_checkable
class _ByAction(Protocol):
    def table(self, state: PatientState) -> Tensor: ...  # (B, A) bool


@dataclass(frozen=True, eq=False)
class Guard:
    """Hard constraints on a treatment's doses."""

    treatment: Treatment
    hard: tuple[Constraint, ...]

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether every hard constraint permits each dose (B, U): (B,) bool."""
        fine = torch.ones_like(state.outcome, dtype=torch.bool)
        for constraint in self.hard:
            fine = fine & constraint.permits(state, dose, hours)
        return fine

    def choices(self, state: PatientState) -> tuple[Tensor, Tensor]:
        """Dose (B, A, U) of each discrete action, and which are permitted (B, A) bool, also by the treatment's mask."""
        assert self.treatment.actions is not None
        doses, columns = [], []
        slow = [c for c in self.hard if not isinstance(c, _ByAction)]
        for number in range(self.treatment.actions):
            action = torch.full_like(state.outcome, number)
            dose, hours = self.treatment.decode(state, action), self.treatment.interval(state, action)
            fine = [c.permits(state, dose, hours) for c in slow]
            doses.append(dose)
            columns.append(torch.stack(fine).all(0) if fine else torch.ones_like(action, dtype=torch.bool))
        permitted = torch.stack(columns, 1)
        for constraint in self.hard:
            permitted = permitted & constraint.table(state) if isinstance(constraint, _ByAction) else permitted
        own = self.treatment.allowed(state)
        return torch.stack(doses, 1), permitted if own is None else permitted & own

    def nearest(self, state: PatientState, action: Tensor) -> tuple[Tensor, Tensor]:
        """The permitted action nearest to each one, and whether there is any (B,) bool."""
        if self.treatment.actions is not None:
            doses, permitted = self.choices(state)
            found = nearest_of(doses, permitted, action)
            return found, permitted.any(1)
        hours = self.treatment.interval(state, action)
        dose = self.treatment.decode(state, action)
        for _ in range(_ROUNDS):
            for constraint in self.hard:
                dose = constraint.project(state, dose, hours)
        return self.treatment.encode(state, dose), self.permits(state, dose, hours)


def nearest_of(doses: Tensor, permitted: Tensor, action: Tensor) -> Tensor:
    """The permitted action (B,) whose doses (B, A, U) lie nearest to those of `action` (B,), the same where permitted.

    Distance is summed over drugs on the square root of the share of the highest level; of two equally far, the lower
    dose. Without any permitted action the one asked for.
    """
    share = (doses / doses.amax((0, 1)).clamp_min(1e-9)).clamp_min(0).sqrt()
    asked = share.gather(1, action[:, None, None].expand(-1, 1, share.shape[2]))
    gap = (share - asked).abs().sum(2) + 1e-4 * share.sum(2)
    best = torch.where(permitted, gap, torch.inf).argmin(1)
    stays = permitted.gather(1, action[:, None])[:, 0] | ~permitted.any(1)
    return torch.where(stays, action, best)


def shield(
    treatment: Treatment,
    constraints: tuple[Constraint, ...] = (),
    *,
    fallback: Fallback | None = None,
    fallback_name: str = "",
    deferral: HandingBack | None = None,
    states: int = 10_000,
    seed: int = 0,
) -> Wrapped:
    """The treatment under its own hard constraints and `constraints`, which are executed and not only reported.

    `states` met under random doses are looked at here and now: if one leaves no permitted dose and there is no
    `fallback`, that is a ValueError that shows it. With a `deferral`, unsure decisions go to the fallback, whose doses
    meet the same constraints. ValueError for a deferral or a fallback without a name to stand in a report.
    """
    if fallback is None and deferral is not None:
        raise ValueError("a deferral hands decisions to a fallback: name one, such as the fitted clinician")
    if fallback is not None and not fallback_name:
        raise ValueError("a fallback needs a name for reports, such as 'fitted clinician'")
    everything = (*treatment.constraints, *constraints)
    guard = Guard(treatment, tuple(c for c in everything if c.hard))
    if fallback is None:
        require_feasible(treatment, guard.nearest, guard.hard, states=states, seed=seed)
    extra = 0 if fallback is None else fallback.noise_dim

    def allowed(state: PatientState) -> Tensor | None:
        if treatment.actions is None:
            return treatment.allowed(state)
        permitted = guard.choices(state)[1]
        own = treatment.allowed(state)
        whole = torch.ones_like(permitted) if own is None else own
        return torch.where(permitted.any(1, keepdim=True), permitted, whole)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        base = treatment.noise_dim
        asked = action
        if fallback is not None:
            instead = treatment.encode(state, fallback.dose(state, noise[:, base:]))
            if deferral is not None:
                asked = _pick(deferral.deferred(treatment, state, action), instead, asked)
        chosen, possible = guard.nearest(state, asked)
        if fallback is not None:
            chosen = _pick(possible, chosen, instead)
        changed = chosen != action if action.dim() == 1 else ((chosen - action).abs() > 1e-6).any(1)
        chosen = _pick(changed, chosen, action)
        lasting = torch.where(changed, treatment.interval(state, chosen), hours)
        done = treatment.step(state, chosen, lasting, noise[:, :base])
        wanted = treatment.decode(state, action)
        return replace(
            done,
            costs=_costs(everything, state, done.dose, done),
            intended=wanted,
            attempted=_costs(everything, state, wanted, done),
        )

    return replace(
        wrap(treatment), constraints=everything, allowed=allowed, step=step, noise_dim=treatment.noise_dim + extra
    )


def _costs(constraints: tuple[Constraint, ...], before: PatientState, dose: Tensor, done: Step) -> Tensor:
    """Costs (B, J) of giving `dose` (B, U); those of what comes after an interval are of what was really done."""
    found = [c.cost(before, dose, done.hours, done.state) for c in constraints]
    return torch.stack(found, 1) if found else dose.new_zeros(len(dose), 0)


def _pick(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` where rows (B,) bool, else `no`; both (B,) or (B, U)."""
    return torch.where(rows if yes.dim() == 1 else rows[:, None], yes, no)
