"""Who acts: a policy on observations, a clinician on the state, or a blend of the two, behind one face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..contracts import Blend, Clinician, PatientState, Policy, Treatment


class Actor(Protocol):
    """Chooses an action from the state of a treatment."""

    @property
    def noise_dim(self) -> int: ...
    def act(self, treatment: Treatment, state: PatientState, obs: Tensor, noise: Tensor) -> Tensor: ...
    def log_prob(self, treatment: Treatment, state: PatientState, obs: Tensor, action: Tensor) -> Tensor: ...


def actor_of(who: Policy | Clinician | Blend) -> Actor:
    """The actor that stands for a policy, a clinician or a blend."""
    if isinstance(who, Blend):
        return _BlendActor(actor_of(who.policy), actor_of(who.base), who.share)
    return _ClinicianActor(who) if isinstance(who, Clinician) else _PolicyActor(who)


@dataclass(frozen=True)
class _PolicyActor:
    policy: Policy

    @property
    def noise_dim(self) -> int:
        return self.policy.noise_dim

    def act(self, treatment: Treatment, state: PatientState, obs: Tensor, noise: Tensor) -> Tensor:
        return self.policy.act(obs, treatment.allowed(state), noise)

    def log_prob(self, treatment: Treatment, state: PatientState, obs: Tensor, action: Tensor) -> Tensor:
        return self.policy.log_prob(obs, treatment.allowed(state), action)


@dataclass(frozen=True)
class _ClinicianActor:
    """Passes masks by: clinicians do take such actions.

    Of a continuous action its log-probability is the clinician's own, of the dose: a density, or the probability of
    a level dose.
    """

    clinician: Clinician

    @property
    def noise_dim(self) -> int:
        return self.clinician.noise_dim

    def act(self, treatment: Treatment, state: PatientState, obs: Tensor, noise: Tensor) -> Tensor:
        return treatment.encode(state, self.clinician.dose(state, noise))

    def log_prob(self, treatment: Treatment, state: PatientState, obs: Tensor, action: Tensor) -> Tensor:
        return self.clinician.log_prob(state, treatment.decode(state, action))


@dataclass(frozen=True)
class _BlendActor:
    """The first noise column decides who acts."""

    policy: Actor
    base: Actor
    share: float

    @property
    def noise_dim(self) -> int:
        return 1 + self.policy.noise_dim + self.base.noise_dim

    def act(self, treatment: Treatment, state: PatientState, obs: Tensor, noise: Tensor) -> Tensor:
        own = 1 + self.policy.noise_dim
        follows = torch.special.ndtr(noise[:, 0]) < self.share
        ours = self.policy.act(treatment, state, obs, noise[:, 1:own])
        theirs = self.base.act(treatment, state, obs, noise[:, own:])
        return torch.where(follows.reshape(-1, *[1] * (ours.dim() - 1)), ours, theirs)

    def log_prob(self, treatment: Treatment, state: PatientState, obs: Tensor, action: Tensor) -> Tensor:
        share = torch.tensor(self.share, device=obs.device)
        ours = share.log() + self.policy.log_prob(treatment, state, obs, action)
        return torch.logaddexp(ours, (1 - share).log() + self.base.log_prob(treatment, state, obs, action))
