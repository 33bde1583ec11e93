"""How often a policy breaks the safety constraints, with intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from torch import Tensor

from ..contracts import Constraint
from .off_policy.estimates import Estimate, cluster_of
from .off_policy.logged import Array, Numbers, array, mask_of
from .off_policy.resampling import by_cluster


@dataclass(frozen=True)
class ViolationRate:
    """Share of decisions that break one constraint."""

    rate: float
    low: float
    high: float
    limit: float
    unit: str
    decisions: int


def violation_rates(
    costs: Tensor,
    mask: Tensor,
    constraints: Sequence[Constraint],
    *,
    cluster: Numbers | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, ViolationRate]:
    """Rate of decisions with a positive cost, by constraint: costs (N, T, J), mask (N, T), patients (N,) `cluster`."""
    return rates_of_counts(*violation_counts(costs, mask), constraints, cluster=cluster, level=level, seed=seed)


def violation_counts(costs: Tensor, mask: Tensor) -> tuple[Array, Array]:
    """Decisions of each stay that break each constraint (N, J), and all its decisions (N,), from costs (N, T, J).

    ValueError for costs that are negative or not finite where a decision was made.
    """
    decided = mask_of(mask)
    found = array(costs)
    if found.ndim != 3 or found.shape[:2] != decided.shape:
        raise ValueError(f"costs: expected shape {decided.shape} x constraints, got {found.shape}")
    found = np.where(decided[:, :, None], found, 0.0)
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise ValueError("costs: expected finite numbers >= 0 at every decision; 0 means that the constraint holds")
    return (found > 0).sum(1).astype(np.float64), decided.sum(1).astype(np.float64)


def rates_of_counts(
    broken: Array,
    decisions: Array,
    constraints: Sequence[Constraint],
    *,
    cluster: Numbers | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, ViolationRate]:
    """The same from each stay's counts, `broken` (N, J) of `decisions` (N,), as `Value` keeps them.

    A ratio of totals, both resampled by patient. Where no patient, or every one at every decision, breaks the
    constraint, resampling shows no spread: the open end is then the exact (Clopper & Pearson 1934) bound on the
    share of patients.
    """
    if broken.shape[1] != len(constraints):
        raise ValueError(
            f"expected one column of counts for each of {len(constraints)} constraints, got {broken.shape}"
        )
    patients = None if cluster is None else cluster_of(cluster, len(broken))
    results = {}
    for column, constraint in enumerate(constraints):
        ratio = Estimate(constraint.name, broken[:, column : column + 1], decisions[:, None], True, cluster=patients)
        low, high = ratio.interval(level, seed=seed)
        clusters = len(by_cluster(ratio.den, patients))
        if ratio.value in (0.0, 1.0):
            low, high = _exact(ratio.value, clusters, level)
        results[constraint.name] = ViolationRate(
            ratio.value, low, high, constraint.limit, constraint.unit, int(decisions.sum())
        )
    return results


def _exact(rate: float, patients: int, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    bound = float(stats.beta.ppf(1 - tail, 1, patients))
    return (0.0, bound) if rate == 0 else (1 - bound, 1.0)
