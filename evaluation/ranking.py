"""Does scoring policies preserve their true order? Spearman, Kendall and regret against known true values.

A learned simulator exists to rank policies; its claims may be wrong by a constant and still be useful, or close on
average and useless. Regret at 1 is what picking the highest score costs in true value (Tang & Wiens 2021).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .report import Interval, PolicyReport, Ranking
from .selection import errors, rank_correlations, regret

CLAIM = "simulator claim"


def rankings(policies: Mapping[str, PolicyReport]) -> tuple[Ranking, ...]:
    """One `Ranking` per score: the simulator's claim, then each estimator over all policies that it scored.

    Estimates count whatever their verdict: the ranking says what believing all of them would have cost.
    Blends are left out, since their order follows from what they blend. Empty without at least three true values.
    """
    pure = [p for p in policies.values() if p.kind not in ("blend", "clinician")]
    names = dict.fromkeys(name for policy in pure for name in policy.estimates)
    scores = {CLAIM: [_value(p.simulator_value) for p in pure]}
    scores |= {name: [p.estimates[name].value if name in p.estimates else None for p in pure] for name in names}
    truth = [_value(p.true_value) for p in pure]
    clinicians = [_value(p.true_value) for p in policies.values() if p.kind == "clinician"]
    base = clinicians[0] if clinicians else None
    rows = [_ranking(name, column, truth, base) for name, column in scores.items()]
    return tuple(row for row in rows if row is not None)


def _value(interval: Interval | None) -> float | None:
    return None if interval is None else interval.value


def _ranking(
    score: str, scored: list[float | None], truth: list[float | None], clinicians: float | None
) -> Ranking | None:
    pairs = np.array([(s, t) for s, t in zip(scored, truth, strict=True) if s is not None and t is not None])
    if len(pairs) < 3:
        return None
    claim, true = pairs.T
    spearman, kendall = rank_correlations(claim, true)
    wrong = None if clinicians is None else errors(claim > clinicians, true, clinicians)
    return Ranking(
        score=score,
        policies=len(pairs),
        spearman=spearman,
        kendall=kendall,
        regret=regret(claim, true),
        mean_absolute_error=float(np.abs(claim - true).mean()),
        regret_at_3=regret(claim, true, 3),
        false_alarms=None if wrong is None else wrong.false_alarms,
        missed=None if wrong is None else wrong.missed,
    )
