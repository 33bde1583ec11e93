"""Which doses are given: the clinicians and a policy on the same states, as shares over the grid of levels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..contracts import Blend, Decisions, Policy
from ..trajectories.sited import here
from .off_policy.logged import Array
from .off_policy.ratios import by_blocks, target_probs


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Action shares by dose level, one axis per drug (L1, L2, ...), each summing to one."""

    clinician: Array  # of the logged actions
    policy: Array  # expected under the policy on the states of the log
    agreement: float  # share of logged decisions on which the policy's most likely action is the clinician's
    kappa: float | None  # that agreement beyond chance (Cohen 1960); None where chance alone agrees always


@torch.no_grad()
def heat_map(
    decisions: Decisions, policy: Policy | Blend, levels: tuple[int, ...], *, base: Policy | None = None
) -> HeatMap:
    """Action shares on the logged decisions; `levels` counts the levels of each drug, the first varying slowest.

    `base` stands in for the clinician inside a blend. ValueError for continuous actions, another number of actions,
    or no decision at all.
    """
    mask = decisions.mask
    actions = math.prod(levels)
    if decisions.action.dim() != 2 or not mask.any():
        raise ValueError("a heat map needs at least one decision, and discrete actions (N, T)")
    allowed = None if decisions.allowed is None else decisions.allowed[:, :-1][mask]
    taken = decisions.action[mask]
    site = decisions.site[:, None].expand(mask.shape)[mask]
    probs = by_blocks(lambda o, a, s: _probs(policy, o, a, s, base), decisions.obs[:, :-1][mask], allowed, site)
    if probs.shape[1] != actions or int(taken.max()) >= actions:
        raise ValueError(f"levels {levels}: expected {actions} actions, got a policy over {probs.shape[1]}")
    counts = np.bincount(taken.cpu().numpy(), minlength=actions) / len(taken)
    top = probs.argmax(1)
    agreement = float((top == taken).double().mean())
    chance = float((counts * np.bincount(top.cpu().numpy(), minlength=actions) / len(taken)).sum())
    return HeatMap(
        clinician=counts.reshape(levels),
        policy=np.asarray(probs.double().mean(0).cpu().numpy()).reshape(levels),
        agreement=agreement,
        kappa=None if chance >= 1 else (agreement - chance) / (1 - chance),
    )


def _probs(policy: Policy | Blend, obs: Tensor, allowed: Tensor | None, site: Tensor, base: Policy | None) -> Tensor:
    found = target_probs(here(policy, site), obs, allowed, None if base is None else here(base, site))
    if found is None:
        raise ValueError("a heat map needs action probabilities: expected a DiscretePolicy, or a blend of two")
    return found
