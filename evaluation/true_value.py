"""What a policy is worth where it can be simulated: its claim in a learned simulator, its true value in a known one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from ..contracts import DIED, Blend, Clinician, Policy, Progress, Treatment, silent
from ..trajectories.rollout import rollout
from .off_policy.logged import Array, logged
from .safety import violation_counts


@dataclass(frozen=True, eq=False)
class Value:
    """Mean discounted return of N simulated stays with its interval, and what each stay contributed."""

    value: float
    low: float
    high: float
    returns: Array  # (N,) discounted
    broken: Array  # (N, J) decisions that broke each constraint
    decisions: Array  # (N,)
    died: Array | None = None  # (N,) bool


def rollout_value(
    treatment: Treatment,
    actor: Policy | Clinician | Blend,
    stays: int,
    seed: int,
    *,
    discount: float = 1.0,
    level: float = 0.95,
    batch: int = 4096,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Value:
    """Mean return of `actor` over patients seeded seed, seed + 1, ...; the same for every actor and every batch size.

    Only sums are kept, so memory grows with `batch`, not with `stays`. The interval is Student's, over stays.
    """
    if stays < 1:
        raise ValueError(f"stays: expected at least 1, got {stays}")
    returns, broken, decisions, died = [], [], [], []
    for start in range(0, stays, batch):
        size = min(batch, stays - start)
        done = rollout(treatment, actor, size, seed=seed + start, batch=batch, device=device)
        mask = done.decisions.mask
        reward = logged(done.decisions.reward, torch.zeros_like(done.decisions.reward), mask, discount).reward
        counts, length = violation_counts(done.costs, mask)
        returns.append(reward.sum(1))
        broken.append(counts)
        decisions.append(length)
        died.append(done.trajectories.outcome.cpu().numpy() == DIED)
        progress((start + size) / stays, "rolling out")
    found = np.concatenate(returns)
    low, high = mean_interval(found, level)
    counts, length, dead = (np.concatenate(parts) for parts in (broken, decisions, died))
    return Value(float(found.mean()), low, high, found, counts, length, dead)


def value_difference(a: Value, b: Value, *, level: float = 0.95) -> tuple[float, float, float]:
    """Value of `a` minus that of `b`, low and high, stay by stay: both must be rolled out with the same seed.

    ValueError for different numbers of stays.
    """
    if len(a.returns) != len(b.returns):
        raise ValueError(
            f"a paired difference needs the same stays, got {len(a.returns)} and {len(b.returns)}; "
            "roll both out with the same seed and number of stays"
        )
    gap = a.returns - b.returns
    return (float(gap.mean()), *mean_interval(gap, level))


def mean_interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """Student's interval (low, high) of the mean of independent `values` (N,); unbounded for a single one."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    if len(values) < 2:
        return -np.inf, np.inf
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half
