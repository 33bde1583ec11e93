"""Ranking the candidate policies of a finished run by what its held-out records say, with the risk of each choice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ..evaluation.off_policy.resampling import by_cluster, replicates, shifted
from ..evaluation.off_policy.statistic import Ratios
from ..evaluation.report import SIMULATED, Report, load_report
from ..evaluation.run_arrays import RunArrays, load_arrays
from ..evaluation.selection import Risk, risks, two_stage
from .stages import write_text

CRITIC = "direct_method"
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


@dataclass(frozen=True)
class Choice:
    """The candidates of a run: those ranked, and those left out with the reason."""

    run: str
    estimator: str
    ranked: tuple[Ranked, ...]
    left_out: dict[str, str]


def choose(folder: Path, *, estimator: str | None = None, keep: int | None = None, seed: int = 0) -> Choice:
    """Rank the candidates of the run in `folder`.

    Policies whose estimate is not evaluable are left out: no rank could be defended. Of the others the `keep` with
    the highest estimate stay (all by default) and are ordered by fitted Q evaluation where the run has it, else by
    the estimate. Risks come from resampling patients, the same for every policy. ValueError for an unknown estimator.
    """
    report, arrays = load_report(folder), load_arrays(folder)
    name = estimator or report.primary_estimator
    known = sorted({e for policy in report.policies.values() for e in policy.estimates})
    if name not in known:
        raise ValueError(f"no estimator {name!r} in {folder}; expected one of {', '.join(known)}")
    left_out, candidates = _candidates(report, arrays, name)
    if not candidates:
        return Choice(folder.name, name, (), left_out)
    drawn = _drawn(arrays, ["clinician", *candidates], name, seed)
    values = [_value(arrays, one, name) for one in candidates]
    critics = [_value(arrays, one, CRITIC) if CRITIC in arrays.num.get(one, {}) else np.nan for one in candidates]
    second = values if np.isnan(critics).all() else critics
    order = two_stage(values, second, len(candidates) if keep is None else min(keep, len(candidates)))
    at_risk = risks(drawn[:, 1:], drawn[:, 0])
    for index in set(range(len(candidates))) - set(order):
        left_out[candidates[index]] = f"not among the {keep} with the highest estimate"
    rows = []
    for index in order:
        policy, found = report.policies[candidates[index]], report.policies[candidates[index]].estimates[name]
        gap = found.difference
        rows.append(
            Ranked(
                name=candidates[index],
                label=policy.label,
                verdict=found.verdict,
                value=found.value,
                difference=None if gap is None else gap.value,
                low=None if gap is None else gap.low,
                high=None if gap is None else gap.high,
                critic=None if np.isnan(critics[index]) else critics[index],
                simulated=None if (told := policy.estimates.get(SIMULATED)) is None else told.value,
                risk=at_risk[index],
            )
        )
    return Choice(folder.name, name, tuple(rows), left_out)


def show(choice: Choice, console: Console) -> None:
    """Print the ranking as a table, and who was left out."""
    table = Table(title=f"{choice.run}: candidates by {choice.estimator}", title_justify="left", box=None)
    critic = any(row.critic is not None for row in choice.ranked)
    simulated = any(row.simulated is not None for row in choice.ranked)
    others = [name for name, there in (("fitted Q", critic), ("simulator", simulated)) if there]
    columns = ["rank", "policy", "verdict", "estimate", *others, "against clinicians",
               "risk: no better", "chance: best", "expected regret"]  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in ("policy", "verdict") else "right")
    for number, row in enumerate(choice.ranked, 1):
        between = "–" if row.low is None or row.high is None else f"{row.low:+.3f} to {row.high:+.3f}"
        table.add_row(
            str(number),
            row.label,
            row.verdict,
            _number(row.value),
            *([_number(row.critic)] if critic else []),
            *([_number(row.simulated)] if simulated else []),
            f"{_number(row.difference, '+')} ({between})",
            f"{row.risk.no_better:.0%}",
            f"{row.risk.best:.0%}",
            f"{row.risk.regret:.3f}",
        )
    console.print(table)
    if not choice.ranked:
        console.print("No candidate can be evaluated on these records: nothing can be ranked.")
    for name, reason in choice.left_out.items():
        console.print(f"left out: {name} ({reason})", highlight=False)
    console.print(
        "Risks are shares of resamples of the held-out patients. They hold if the records show all that moved the "
        "doses, and say nothing about care.",
        highlight=False,
    )


def save(choice: Choice, path: Path) -> None:
    """Write the ranking as JSON."""
    write_text(path, json.dumps(asdict(choice), indent=1))


def _candidates(report: Report, arrays: RunArrays, name: str) -> tuple[dict[str, str], list[str]]:
    left_out, kept = {}, []
    for policy, found in report.policies.items():
        if found.kind in ("clinician", "behavior"):
            continue
        if name not in arrays.num.get(policy, {}) or name not in found.estimates:
            left_out[policy] = "has no off-policy estimate"
        elif found.estimates[name].verdict == "not evaluable":
            left_out[policy] = "not evaluable: " + "; ".join(found.estimates[name].reasons)
        else:
            kept.append(policy)
    return left_out, kept


def _drawn(arrays: RunArrays, names: list[str], estimator: str, seed: int) -> np.ndarray:
    parts = []
    for name in names:
        ratios = Ratios(arrays.num[name][estimator], arrays.den[name][estimator])
        parts.append((by_cluster(ratios.columns(), arrays.subject), ratios.combine))
    drawn = replicates(parts, _DRAWS, seed)
    moved = [arrays.shift.get(name, {}).get(estimator) for name in names]
    return np.stack([shifted(own, shift, seed) for own, shift in zip(drawn.T, moved, strict=True)], 1)


def _value(arrays: RunArrays, name: str, estimator: str) -> float:
    ratios = Ratios(arrays.num[name][estimator], arrays.den[name][estimator])
    return float(ratios.replicate(np.ones((1, len(arrays.subject))))[0])


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"
