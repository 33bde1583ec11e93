"""What a ranking was worth, where the truth is known: looked at after it is made, never for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.report import PolicyReport
from ..evaluation.selection import errors, rank_correlations, regret

FEW = 3  # first choices, of which the best is looked for


@dataclass(frozen=True)
class Truth:
    """True values against the order of a ranking and its claims to beat the clinicians."""

    clinicians: float
    spearman: float | None  # of the order with the true one; None for fewer than two, or where the truth never varies
    kendall: float | None
    regret: float  # true value of the best one ranked, less that of the first choice
    regret_few: float | None  # ... less that of the best of the first three; None for no more than three
    lost: float  # true value of the best of all, also of those left out, less that of the first choice
    best: str  # label of that best one
    no_better: int  # how many of the ranked are truly no better than the clinicians
    false_alarms: int  # ... of which so many were claimed better: type I errors
    missed: int  # truly better and not claimed so: type II errors


def candidates_of(policies: Mapping[str, PolicyReport]) -> dict[str, PolicyReport]:
    """Who could be chosen in the clinicians' place."""
    return {name: found for name, found in policies.items() if found.kind not in ("clinician", "behavior")}


def worth_of(policies: Mapping[str, PolicyReport], claims: Sequence[tuple[str, bool]]) -> Truth | None:
    """What the ranked names, from the best on, with the claim to be better, were worth; None without their truth."""
    known = {name: p.true_value.value for name, p in policies.items() if p.true_value is not None}
    base = next((known.get(name) for name, p in policies.items() if p.kind == "clinician"), None)
    found = [known.get(name) for name, _ in claims]
    true = np.array([value for value in found if value is not None], np.float64)
    if base is None or not len(true) or len(true) < len(found):
        return None
    place = -np.arange(len(true), dtype=np.float64)
    spearman, kendall = rank_correlations(place, true) if len(true) > 1 else (None, None)
    claimed, low = np.array([claim for _, claim in claims]), true <= base
    wrong = errors(claimed, true, base)
    rivals = {policies[name].label: known.get(name) for name in candidates_of(policies) if policies[name].estimates}
    best = max((value, label) for label, value in rivals.items() if value is not None)
    return Truth(
        clinicians=base,
        spearman=spearman,
        kendall=kendall,
        regret=regret(place, true),
        regret_few=regret(place, true, FEW) if len(true) > FEW else None,
        lost=best[0] - float(true[0]),
        best=best[1],
        no_better=int(low.sum()),
        false_alarms=round((wrong.false_alarms or 0.0) * int(low.sum())),
        missed=round((wrong.missed or 0.0) * int((~low).sum())),
    )
