"""Bootstrap intervals of many estimates at once."""

from __future__ import annotations

from collections.abc import Mapping

from .estimates import Estimate
from .intervals import UNBOUNDED, Bounds, percentile
from .resampling import replicates, shifted


def bootstrap_intervals(
    estimates: Mapping[str, Estimate], level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> dict[str, Bounds]:
    """(low, high) of every estimate, all on the same stays, from one set of resampled patients.

    The numbers are those of each estimate's own `interval(level)`, for a fraction of the work. ValueError where the
    estimates do not share their stays and patients.
    """
    for one in estimates.values():
        one.check_paired(next(iter(estimates.values())))
    found = {name: UNBOUNDED for name in estimates}
    known = {name: one for name, one in estimates.items() if one.defined}
    totals = {name: part for name, one in known.items() if one.drawn is None and (part := one.totalled()) is not None}
    if totals:
        drawn = replicates(list(totals.values()), draws, seed)
        for column, name in enumerate(totals):
            found[name] = percentile(shifted(drawn[:, column], known[name].shifts, seed), level)
    others = {name: one for name, one in known.items() if name not in totals}
    return found | {name: one.interval(level, draws=draws, seed=seed) for name, one in others.items()}
