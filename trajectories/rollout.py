"""Rolling an actor out in a treatment: what would happen to N patients under a policy, clinician or blend."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import (
    Blend,
    Clinician,
    Decisions,
    PatientState,
    Policy,
    Progress,
    Trajectories,
    Treatment,
    silent,
)
from .actors import Actor, actor_of
from .batches import concatenate
from .carry import pad
from .noise import ACTOR, ADMISSION, normals, seeds


@dataclass(frozen=True)
class Rollout:
    """N simulated stays, in the two forms that the rest of the project reads, and the costs on the way."""

    decisions: Decisions
    trajectories: Trajectories
    costs: Tensor  # (N, T, J)
    returns: Tensor  # (N,) undiscounted sum of rewards
    memory: Tensor | None  # (N, T+1, M) hidden states, where asked for
    intended: Tensor | None = None  # (N, T, U) doses asked for, where a shield stands before the patient
    attempted: Tensor | None = None  # (N, T, J) costs that they would have had


@torch.no_grad()
def rollout(
    treatment: Treatment,
    actor: Policy | Clinician | Blend,
    stays: int,
    *,
    seed: int = 0,
    batch: int = 4096,
    keep_memory: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Rollout:
    """Admit `stays` patients, seeded seed, seed + 1, ..., and follow each to its end.

    Two actors under one seed meet the same patients and the same noise (common random numbers). The behaviour
    log-probability recorded is the actor's own. ValueError unless stays is positive.
    """
    if stays < 1:
        raise ValueError(f"a rollout needs at least one stay, got {stays}")
    parts = []
    for start in range(0, stays, batch):
        rows = seeds(seed + start, min(batch, stays - start), device)
        parts.append(_roll(treatment, actor_of(actor), rows, keep_memory))
        progress(min(1.0, (start + batch) / stays), "rolling out")
    return parts[0] if len(parts) == 1 else _join(parts)


def _roll(treatment: Treatment, actor: Actor, rows: Tensor, keep_memory: bool) -> Rollout:
    zero = torch.zeros_like(rows)
    state = treatment.admit(normals(rows, zero, zero, treatment.admit_noise_dim, stream=ADMISSION))
    states, obs, allowed = [state], [treatment.observe(state)], [treatment.allowed(state)]
    actions, log_probs, steps = [], [], []
    alive = torch.ones_like(rows, dtype=torch.bool)
    masks = []
    for t in range(treatment.horizon):
        action = actor.act(treatment, state, obs[-1], normals(rows, zero, zero + t, actor.noise_dim, stream=ACTOR))
        log_probs.append(actor.log_prob(treatment, state, obs[-1], action))
        noise = normals(rows, zero, zero + t, treatment.noise_dim)
        step = treatment.step(state, action, treatment.interval(state, action), noise)
        masks.append(alive)
        actions.append(action)
        steps.append(step)
        alive = alive & ~step.terminated & ~step.truncated
        state = step.state
        states.append(state)
        obs.append(treatment.observe(state))
        allowed.append(treatment.allowed(state))
    mask = torch.stack(masks, 1)
    ended = torch.stack([s.terminated for s in steps], 1)
    reward = torch.where(mask, torch.stack([s.reward for s in steps], 1), 0.0)
    decisions = Decisions(
        obs=torch.stack(obs, 1),
        action=torch.stack(actions, 1),
        allowed=torch.stack([a for a in allowed if a is not None], 1) if allowed[0] is not None else None,
        reward=reward,
        hours=torch.where(mask, torch.stack([s.hours for s in steps], 1), 0.0),
        mask=mask,
        terminated=(ended & mask).any(1),
        log_behavior=torch.where(mask, torch.stack(log_probs, 1), 0.0),
        subject=rows,
        site=zero,
        context=states[0].context,
    )
    return Rollout(
        decisions=decisions,
        trajectories=_trajectories(treatment, states, [s.dose for s in steps], decisions),
        costs=torch.where(mask[:, :, None], torch.stack([s.costs for s in steps], 1), 0.0),
        returns=reward.sum(1),
        memory=torch.stack([s.memory for s in states], 1) if keep_memory else None,
        intended=_known([s.intended for s in steps], mask),
        attempted=_known([s.attempted for s in steps], mask),
    )


def _known(columns: list[Tensor | None], mask: Tensor) -> Tensor | None:
    """(N, T, ...) with 0 in padding; None unless every decision has a value."""
    known = [column for column in columns if column is not None]
    return torch.where(mask[:, :, None], torch.stack(known, 1), 0.0) if len(known) == len(columns) else None


def _trajectories(
    treatment: Treatment, states: list[PatientState], doses: list[Tensor], decisions: Decisions
) -> Trajectories:
    last = decisions.mask.sum(1)
    outcome = torch.stack([s.outcome for s in states], 1).gather(1, last[:, None])[:, 0]
    return pad(
        Trajectories(
            spec=treatment.spec,
            vitals=torch.stack([s.vitals for s in states], 1),
            seen=torch.stack([s.seen for s in states], 1),
            age=torch.stack([s.age for s in states], 1),
            context=decisions.context,
            dose=torch.stack(doses, 1),
            hours=decisions.hours,
            mask=decisions.mask,
            outcome=outcome,
            subject=decisions.subject,
            site=decisions.site,
        )
    )


def _join(parts: list[Rollout]) -> Rollout:
    memories, intended, attempted = (
        [getattr(p, name) for p in parts if getattr(p, name) is not None]
        for name in ("memory", "intended", "attempted")
    )
    return Rollout(
        decisions=concatenate([p.decisions for p in parts]),
        trajectories=concatenate([p.trajectories for p in parts]),
        costs=torch.cat([p.costs for p in parts]),
        returns=torch.cat([p.returns for p in parts]),
        memory=torch.cat(memories) if memories else None,
        intended=torch.cat(intended) if intended else None,
        attempted=torch.cat(attempted) if attempted else None,
    )
