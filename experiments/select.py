"""Ranking the candidate policies of a finished run by what its held-out records say, with the risk of each choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..evaluation.off_policy.resampling import by_cluster, replicates, shifted
from ..evaluation.off_policy.statistic import Ratios
from ..evaluation.report import SIMULATED, Interval, PolicyReport, Report, load_report
from ..evaluation.run_arrays import RunArrays, load_arrays
from ..evaluation.selection import Risk, risks, two_stage
from .select_truth import Truth, candidates_of, worth_of
from .stages import write_text

CRITIC = "direct_method"
LIMIT = 0.02  # stated risk of a claim: taken, it is 3 to 5 % where nobody is better (docs/selection.md)
_DRAWS = 1000


@dataclass(frozen=True)
class Ranked:
    """One candidate that the records can speak about, from the best on."""

    name: str
    label: str
    verdict: str
    value: float | None
    difference: float | None  # from the clinicians
    low: float | None
    high: float | None
    critic: float | None  # fitted Q evaluation, where the run has it: ranks those that are kept
    simulated: float | None  # the learned simulator's word on the same patients, beside them and no judge of them
    risk: Risk
    better: bool  # claimed to beat the clinicians: supported, and the risk allowing for the choice is within the limit
    true: float | None = None  # where the truth is known
    true_difference: float | None = None  # ... from the true clinicians


@dataclass(frozen=True)
class Choice:
    """The candidates of a run: those ranked, and those left out with the reason."""

    run: str
    estimator: str
    ranked: tuple[Ranked, ...]
    left_out: dict[str, str]
    limit: float = LIMIT  # of the risk at which a candidate is claimed to be better
    truth: Truth | None = None
    labels: dict[str, str] = field(default_factory=dict)  # of those left out
    percent: bool = False  # values are probabilities
    value_name: str = "value"


def choose(
    folder: Path, *, estimator: str | None = None, keep: int | None = None, risk: float = LIMIT, seed: int = 0
) -> Choice:
    """Rank the candidates of the run in `folder`.

    Policies whose estimate is not evaluable are left out: no rank could be defended. Of the others the `keep` with
    the highest estimate stay (all by default) and are ordered by fitted Q evaluation where the run has it, else by
    the estimate. Risks come from resampling patients, the same for every policy; who is supported and has at most
    `risk` of being no better than the clinicians, allowing for the choice, is claimed to be better. ValueError for an
    unknown estimator.
    """
    report, arrays = load_report(folder), load_arrays(folder)
    name = estimator or report.primary_estimator
    known = sorted({e for policy in report.policies.values() for e in policy.estimates})
    if name not in known:
        raise ValueError(f"no estimator {name!r} in {folder}; expected one of {', '.join(known)}")
    left_out, candidates = _candidates(report, arrays, name)
    values = [_value(arrays, one, name) for one in candidates]
    critics = [_critic(report.policies[one], arrays, one) for one in candidates]
    second = values if np.isnan(critics).all() else critics
    count = len(candidates)
    order = two_stage(values, second, count if keep is None else min(keep, count)) if candidates else []
    at_risk = _at_risk(arrays, candidates, name, seed) if candidates else []
    for index in set(range(count)) - set(order):
        left_out[candidates[index]] = f"not among the {keep} with the highest estimate"
    rows = tuple(
        _ranked(candidates[i], report.policies[candidates[i]], name, (critics[i], at_risk[i]), risk) for i in order
    )
    return Choice(
        run=folder.name,
        estimator=name,
        ranked=rows,
        left_out=left_out,
        limit=risk,
        truth=worth_of(report.policies, [(row.name, row.better) for row in rows]),
        labels={gone: report.policies[gone].label for gone in left_out},
        percent=report.estimand.percent,
        value_name=report.estimand.value_name,
    )


def _ranked(name: str, policy: PolicyReport, estimator: str, scored: tuple[float, Risk], limit: float) -> Ranked:
    found, (critic, risk) = policy.estimates[estimator], scored
    gap = found.difference or Interval(value=None)
    return Ranked(
        name=name,
        label=policy.label,
        verdict=found.verdict,
        value=found.value,
        difference=gap.value,
        low=gap.low,
        high=gap.high,
        critic=None if np.isnan(critic) else critic,
        simulated=None if (told := policy.estimates.get(SIMULATED)) is None else told.value,
        risk=risk,
        better=found.verdict == "supported" and risk.chosen <= limit,
        true=None if policy.true_value is None else policy.true_value.value,
        true_difference=None if policy.true_difference is None else policy.true_difference.value,
    )


def save(choice: Choice, path: Path) -> None:
    """Write the ranking as JSON."""
    write_text(path, json.dumps(asdict(choice), indent=1))


def _candidates(report: Report, arrays: RunArrays, name: str) -> tuple[dict[str, str], list[str]]:
    left_out, kept = {}, []
    for policy, found in candidates_of(report.policies).items():
        if name not in arrays.num.get(policy, {}) or name not in found.estimates:
            left_out[policy] = "has no off-policy estimate"
        elif found.estimates[name].verdict == "not evaluable":
            left_out[policy] = "not evaluable: " + "; ".join(found.estimates[name].reasons)
        else:
            kept.append(policy)
    return left_out, kept


def _at_risk(arrays: RunArrays, candidates: list[str], estimator: str, seed: int) -> Sequence[Risk]:
    """Risks of the candidates against the clinicians, all on the same resampled patients and refits."""
    names, parts = ["clinician", *candidates], []
    for name in names:
        ratios = Ratios(arrays.num[name][estimator], arrays.den[name][estimator])
        parts.append((by_cluster(ratios.columns(), arrays.subject), ratios.combine))
    drawn = replicates(parts, _DRAWS, seed)
    moved = [arrays.shift.get(name, {}).get(estimator) for name in names]
    base, *others = (shifted(own, shift, seed) for own, shift in zip(drawn.T, moved, strict=True))
    return risks(np.stack(others, 1), base)


def _critic(policy: PolicyReport, arrays: RunArrays, name: str) -> float:
    """Fitted Q evaluation; nan where the run has none, or it claims what no stay can be worth."""
    found = policy.estimates.get(CRITIC)
    usable = found is not None and found.verdict != "not evaluable" and CRITIC in arrays.num.get(name, {})
    return _value(arrays, name, CRITIC) if usable else float("nan")


def _value(arrays: RunArrays, name: str, estimator: str) -> float:
    ratios = Ratios(arrays.num[name][estimator], arrays.den[name][estimator])
    return float(ratios.replicate(np.ones((1, len(arrays.subject))))[0])
