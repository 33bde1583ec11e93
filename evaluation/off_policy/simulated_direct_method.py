"""The model-based direct method: what a learned simulator says that a policy would be worth to held-out patients."""

from __future__ import annotations

import numpy as np
import torch

from ...contracts import Blend, Clinician, PatientState, Policy, Progress, Treatment, silent
from ...trajectories.actors import actor_of
from ...trajectories.noise import ACTOR, normals, seeds
from .estimates import Estimate
from .resampling import Cluster


@torch.no_grad()
def simulated_direct_method(
    treatment: Treatment,
    actor: Policy | Clinician | Blend,
    first: PatientState,
    *,
    discount: float = 1.0,
    repeats: int = 4,
    seed: int = 0,
    cluster: Cluster | None = None,
    progress: Progress = silent,
) -> Estimate:
    """Mean return of rolling `actor` out in a learned `treatment` from the first state of every held-out stay.

    `first` (N rows) holds those states, ready to be stepped; each is followed `repeats` times under noise of its own,
    the same for every actor, so that differences are paired. Discounts are per decision. The interval shows how
    patients differ and leaves the simulator's error out: the verdict is model-based. ValueError without a repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {repeats}")
    total = np.zeros(len(first))
    for k in range(repeats):
        total += _returns(treatment, actor, first, discount, seed + k * len(first))
        progress((k + 1) / repeats, "rolling out in the simulator")
    num = (total / repeats)[:, None]
    return Estimate(
        "simulated_direct_method",
        num,
        np.ones_like(num),
        self_normalized=False,
        cluster=cluster,
        model_based=True,
        notes=(f"{repeats} courses of every held-out patient in the learned simulator",),
    )


def _returns(
    treatment: Treatment, actor: Policy | Clinician | Blend, state: PatientState, discount: float, seed: int
) -> np.ndarray:
    acting, rows = actor_of(actor), seeds(seed, len(state), state.hours.device)
    zero = torch.zeros_like(rows)
    if treatment.believer is not None:
        state = state.replace(belief=treatment.believer.initial_belief(state))
    total = torch.zeros(len(state), dtype=torch.float64, device=rows.device)
    alive = torch.ones_like(rows, dtype=torch.bool)
    for t in range(treatment.horizon):
        noise = normals(rows, zero, zero + t, acting.noise_dim, stream=ACTOR)
        action = acting.act(treatment, state, treatment.observe(state), noise)
        noise = normals(rows, zero, zero + t, treatment.noise_dim)
        step = treatment.step(state, action, treatment.interval(state, action), noise)
        total += torch.where(alive, step.reward.double() * discount**t, 0.0)
        alive = alive & ~step.terminated & ~step.truncated
        state = step.state
    return np.asarray(total.cpu().numpy())
