"""Belief: what a learned observer makes of the whole course, carried in the state and shown to the policy."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..contracts import BeliefModel, PatientState, Step, Treatment
from .observation import BOUND
from .wrapped import Wrapped, wrap


def with_belief(treatment: Treatment, believer: BeliefModel) -> Wrapped:
    """The treatment of patients whose `belief` (B, Q) is kept up to date by `believer`, whoever the patients are.

    The belief follows from what was observed and given alone, and is appended to the observation, clipped to +-BOUND:
    O + Q columns. ValueError where the two describe patients differently, or the treatment carries a belief already.
    """
    if believer.spec != treatment.spec:
        raise ValueError("the believer and the treatment differ in their spec: fit it to records of the same task")
    if treatment.believer is not None:
        raise ValueError("the treatment carries a belief already: wrap the treatment inside it")

    def admit(noise: Tensor) -> PatientState:
        state = treatment.admit(noise)
        return state.replace(belief=believer.initial_belief(state))

    def observe(state: PatientState) -> Tensor:
        return torch.cat([treatment.observe(state), state.belief.clamp(-BOUND, BOUND)], 1)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        found = treatment.step(state, action, hours, noise)
        belief = believer.filter(state.belief, found.dose, found.hours, found.state)
        return replace(found, state=found.state.replace(belief=belief))

    return replace(
        wrap(treatment),
        believer=believer,
        observation_dim=treatment.observation_dim + believer.belief_dim,
        admit=admit,
        observe=observe,
        step=step,
    )
