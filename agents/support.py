"""How far a policy stays within what clinicians do: the part of its probability that the record can speak about."""

from __future__ import annotations

import torch

from ..contracts import Decisions, DiscretePolicy
from ..trajectories.sited import here

RARE = 0.01  # propensity under which an action counts as unsupported


@torch.no_grad()
def unsupported_share(
    decisions: Decisions, policy: DiscretePolicy, behavior: DiscretePolicy, *, rare: float = RARE
) -> float:
    """Share of the policy's probability on actions that clinicians take with probability under `rare`.

    Averaged over the decisions (mask) that clinicians faced, those of a site under its own practice; 0 for a policy
    within their practice. Exact, since the whole distribution is summed instead of one drawn action. ValueError where
    no decision was made.
    """
    mask = decisions.mask
    if not mask.any():
        raise ValueError("expected at least one decision to judge support on, got none")
    steps = mask.shape[1]
    obs = decisions.obs[:, :steps][mask]
    allowed = None if decisions.allowed is None else decisions.allowed[:, :steps][mask]
    site = decisions.site[:, None].expand(mask.shape)[mask]
    unsupported = here(behavior, site).probs(obs, None) < rare
    return float((here(policy, site).probs(obs, allowed) * unsupported).sum(1).double().mean())
