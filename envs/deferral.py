"""Handing a decision back: where the agent is unsure, somebody else decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..contracts import PatientState, Policy, Treatment


class Fallback(Protocol):
    """Who doses in the agent's place: a clinician is one."""

    @property
    def noise_dim(self) -> int: ...
    def dose(self, state: PatientState, noise: Tensor) -> Tensor: ...  # (B, U)


class HandingBack(Protocol):
    """Says which decisions are handed back, before they are carried out."""

    def deferred(self, treatment: Treatment, state: PatientState, action: Tensor) -> Tensor: ...  # (B,) bool


@dataclass(frozen=True, eq=False)
class Deferral:
    """Decisions whose uncertainty (B,), a function of the observation (B, O), is above `limit` are handed back."""

    uncertainty: Callable[[Tensor], Tensor]
    limit: float

    def deferred(self, treatment: Treatment, state: PatientState, action: Tensor) -> Tensor:
        """Which decisions (B,) bool."""
        return self.uncertainty(treatment.observe(state)) > self.limit


@dataclass(frozen=True, eq=False)
class DoseDeferral:
    """The same by an uncertainty (B,) of the state, the dose (B, U) asked for and its hours (B,): a model's doubt, say.

    The state comes without its memory, so that nothing hidden enters; what an observer infers is in its belief.
    """

    uncertainty: Callable[[PatientState, Tensor, Tensor], Tensor]
    limit: float

    def deferred(self, treatment: Treatment, state: PatientState, action: Tensor) -> Tensor:
        """Which decisions (B,) bool."""
        dose, hours = treatment.decode(state, action), treatment.interval(state, action)
        return self.uncertainty(state.replace(memory=state.memory[:, :0]), dose, hours) > self.limit


@dataclass(frozen=True)
class NoDrug:
    """Every drug is stopped."""

    noise_dim: int = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Nothing (B, U)."""
        return state.last_dose.new_zeros(state.last_dose.shape)


@dataclass(frozen=True, eq=False)
class PolicyFallback:
    """A policy as a fallback, such as the fitted clinician or a documented rule on what is visible."""

    policy: Policy
    treatment: Treatment

    @property
    def noise_dim(self) -> int:
        return self.policy.noise_dim

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """What the policy gives (B, U), on any action: who is handed a decision is not masked."""
        action = self.policy.act(self.treatment.observe(state), None, noise)
        return self.treatment.decode(state, action)
