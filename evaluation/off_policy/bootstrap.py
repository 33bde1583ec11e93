"""Bootstrap intervals of many estimates at once."""

from __future__ import annotations

from collections.abc import Mapping

from .estimates import Estimate
from .intervals import UNBOUNDED, Bounds, percentile
from .resampling import by_cluster, replicates


def bootstrap_intervals(
    estimates: Mapping[str, Estimate], level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> dict[str, Bounds]:
    """(low, high) of every estimate, all on the same stays, from one set of resampled patients.

    The numbers are those of each estimate's own `interval(level)`, for a fraction of the work. ValueError where the
    estimates do not share their stays and patients.
    """
    parts = []
    for one in estimates.values():
        one.check_paired(next(iter(estimates.values())))
        parts.append((by_cluster(one.num, one.cluster), by_cluster(one.den, one.cluster)))
    if not parts:
        return {}
    drawn = replicates(parts, draws, seed)
    return {
        name: percentile(drawn[:, column], level) if one.defined else UNBOUNDED
        for column, (name, one) in enumerate(estimates.items())
    }
