"""Sets of actions that are worth nearly the same: a choice left to the clinician."""

from __future__ import annotations

import torch
from torch import Tensor


def near_equivalent(q: Tensor, allowed: Tensor | None, zeta: float) -> Tensor:
    """Which actions (B, A) bool lose at most the share `zeta` of the best one's value over the worst allowed one's.

    Tang, Modi, Sjoding & Wiens 2020 (ICML, arXiv 2007.12678) take (1 - zeta) times the best value as the bound, which
    has no meaning where values are negative; measured from the worst action it has, and a constant added to all values
    changes nothing. At least the best action is in. ValueError unless 0 <= zeta <= 1.
    """
    if not 0 <= zeta <= 1:
        raise ValueError(f"expected a share of value in 0..1, got {zeta}")
    may = torch.ones_like(q, dtype=torch.bool) if allowed is None else allowed
    best = q.masked_fill(~may, -torch.inf).amax(1, keepdim=True)
    worst = q.masked_fill(~may, torch.inf).amin(1, keepdim=True)
    return may & (q >= best - zeta * (best - worst))


def coverage(sets: Tensor, action: Tensor) -> tuple[float, float]:
    """Mean size of the sets (B, A) bool, and how often the action really given (B,) was in them."""
    inside = sets.gather(1, action[:, None])[:, 0]
    return float(sets.sum(1).float().mean()), float(inside.float().mean())
