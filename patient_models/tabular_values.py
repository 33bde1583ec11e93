"""What a policy is truly worth in a tabular patient, and which is best: exact, with or without a horizon.

A policy is a table of probabilities: (S, A) where it is the same at every decision, (T, S, A) where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import DiscretePolicy
from .tabular import Tabular
from .tabular_solve import action_values, best_response, chain, solve_values


@dataclass(frozen=True)
class Worth:
    """What the end of a stay is worth; with these numbers a value is the probability of leaving alive."""

    discharged: float = 1.0
    died: float = 0.0
    in_care: float = 0.0  # at the horizon

    @property
    def ends(self) -> Tensor:
        """Of discharge and death (2,) float64."""
        return torch.tensor([self.discharged, self.died], dtype=torch.float64)


SURVIVAL = Worth()


def random_probs(patient: Tabular) -> Tensor:
    """Every admissible action equally likely (S, A)."""
    return patient.admissible.double() / patient.admissible.sum(1, keepdim=True)


def deterministic(patient: Tabular, action: Tensor) -> Tensor:
    """The table (S, A) of a policy that takes action (S,) int64."""
    return torch.nn.functional.one_hot(action, patient.spec.actions).double()


def table_of(patient: Tabular, policy: DiscretePolicy, observe: Callable[[Tensor], Tensor]) -> Tensor:
    """The table (S, A) of a policy on observations that say nothing but the state: `observe` of its measurements."""
    return policy.probs(observe(patient.values), patient.admissible).double()


def state_values(patient: Tabular, probs: Tensor, worth: Worth = SURVIVAL, *, horizon: int | None = None) -> Tensor:
    """Value (S,) of every state at the first decision.

    ValueError for a table of another shape, or one that changes with time and yet is given a horizon not its own.
    """
    steps = _steps(patient, probs, horizon)
    if steps is None:
        return solve_values(chain(patient.transition, probs), worth.ends)
    values = torch.full((patient.states,), worth.in_care, dtype=torch.float64)
    stationary = chain(patient.transition, probs) if probs.dim() == 2 else None
    for t in reversed(range(steps)):
        moves = chain(patient.transition, probs[t]) if stationary is None else stationary
        values = moves @ torch.cat([values, worth.ends])
    return values


def policy_value(patient: Tabular, probs: Tensor, worth: Worth = SURVIVAL, *, horizon: int | None = None) -> float:
    """Expected worth of a stay under a policy; by default the probability of leaving alive."""
    return float(patient.start @ state_values(patient, probs, worth, horizon=horizon))


def action_value_table(patient: Tabular, values: Tensor, worth: Worth = SURVIVAL) -> Tensor:
    """Value (S, A) of each action where the states after it are worth `values` (S,)."""
    return action_values(patient.transition, values, worth.ends)


def mean_length(patient: Tabular, probs: Tensor) -> float:
    """Mean number of decisions of a stay under a stationary policy (S, A), without a horizon."""
    each = torch.ones(patient.states, dtype=torch.float64)
    return float(patient.start @ solve_values(chain(patient.transition, probs), torch.zeros_like(each[:2]), each))


def still_in_care(patient: Tabular, probs: Tensor, horizon: int) -> float:
    """Probability that a stay lasts beyond `horizon` decisions."""
    return policy_value(patient, probs, Worth(0.0, 0.0, 1.0), horizon=horizon)


def optimal(patient: Tabular, worth: Worth = SURVIVAL, *, horizon: int | None = None) -> tuple[float, Tensor]:
    """The highest value of any policy on admissible actions, and a policy that attains it.

    Without a horizon a stationary table (S, A), by policy iteration; else (T, S, A), by backward induction.
    """
    if horizon is None:
        action, values = best_response(patient.transition, patient.admissible, worth.ends)
        return float(patient.start @ values), deterministic(patient, action)
    if horizon < 1:
        raise ValueError(f"expected a horizon of at least one decision, got {horizon}")
    values = torch.full((patient.states,), worth.in_care, dtype=torch.float64)
    table = []
    for _ in range(horizon):
        found = patient.transition @ torch.cat([values, worth.ends])
        best = found.masked_fill(~patient.admissible, -torch.inf).max(1)
        values = best.values
        table.append(deterministic(patient, best.indices))
    return float(patient.start @ values), torch.stack(table[::-1])


def _steps(patient: Tabular, probs: Tensor, horizon: int | None) -> int | None:
    shape = (patient.states, patient.spec.actions)
    if probs.shape[-2:] != shape or probs.dim() not in (2, 3):
        raise ValueError(f"expected probabilities {shape}, or one such table per decision, got {tuple(probs.shape)}")
    if probs.dim() == 3 and horizon not in (None, len(probs)):
        raise ValueError(f"a policy of {len(probs)} decisions has its own horizon, got {horizon}: leave it out")
    return len(probs) if probs.dim() == 3 else horizon
