"""Thresholds of the verdict from the coverage study: `python -m posology.experiments.studies.calibration`.

Chosen on the first two problems so that intervals called supported hold the truth in at least nine cohorts of ten,
for every estimator at every sample size, and as many cohorts as possible are supported; then looked at on the third.
Writes `coverage.json` beside the cells; `plots` draws it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...evaluation.off_policy import Thresholds
from ...evaluation.off_policy.logged import Array, Mask
from ...evaluation.off_policy.verdict import ORDER, Label
from ..stages import write_text
from .coverage import FOLDER, METHODS, NAMES, SIZES, cell_path, load_cell
from .problems import PROBLEMS

CHOSEN_ON, CONFIRMED_ON = tuple(PROBLEMS)[:2], tuple(PROBLEMS)[2:]
JUDGED = tuple(name for name in NAMES if name != "magic")  # which is supported only where it is weighted doubly robust
TRIED = {
    "effective_sample_size": (20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0),
    "largest_share": (0.02, 0.03, 0.05, 0.10, 0.20),
    "mean_weight": (1.05, 1.10, 1.25, 1.50, 2.0),
}
FORMER = (100.0, 0.05, 1.25)  # the limits that the design starts from
GOAL = 0.91  # one point in hand for the third problem
_FEWEST = 50  # cohorts of one problem and size from which a coverage is looked at


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Some cohorts of one problem and size: the state of their weights at the worst decision time, and what held."""

    problem: str
    far: float
    stays: int
    size: Array  # (R,)
    share: Array  # (R,)
    mean: Array  # (R,) farther of the least and the largest from 1, as a factor of at least 1
    held: Array  # (R, E, M) 1 where the interval holds the truth; nan where the method does not apply

    def within(self, size: float, share: float, mean: float) -> Mask:
        """Which cohorts keep the limits."""
        return (self.size >= size) & (self.share <= share) & (self.mean <= mean)

    def labels(self, limits: Thresholds) -> dict[Label, Mask]:
        """Which cohorts have each verdict."""
        pairs = zip(limits.effective_sample_size, limits.largest_share, limits.mean_weight, strict=True)
        supported, evaluable = (self.within(*pair) for pair in pairs)
        return dict(zip(ORDER, (supported, evaluable & ~supported, ~evaluable), strict=True))


def load(folder: Path) -> list[Cohorts]:
    """Every cell that has run; FileNotFoundError where none has."""
    found = [_cohorts(folder, *cell) for cell in _cells() if cell_path(folder, *cell).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder}: expected cells of the coverage study; run `make study-ope` first")
    return found


def _cells() -> Iterator[tuple[str, float, int]]:
    for problem, stays in itertools.product(PROBLEMS, SIZES):
        yield from ((problem, far, stays) for far in PROBLEMS[problem].distances)


def _cohorts(folder: Path, problem: str, far: float, stays: int) -> Cohorts:
    cell = load_cell(folder, problem, far, stays)
    low, high, truth = cell["low"], cell["high"], float(cell["truth"][0])
    held = np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high))
    with np.errstate(divide="ignore"):
        mean = np.maximum(cell["mean"][:, 2], 1 / cell["mean"][:, 1])
    return Cohorts(problem, far, stays, cell["size"][:, 1], cell["share"][:, 1], mean, held)


def least_coverage(cohorts: Sequence[Cohorts], limits: tuple[float, float, float]) -> tuple[float, float]:
    """Least bootstrap coverage of supported intervals over problems, sizes and estimators; share supported."""
    totals: dict[tuple[str, int], tuple[Array, int]] = {}
    columns = [NAMES.index(name) for name in JUDGED]
    for one in cohorts:
        rows = one.within(*limits)
        held, count = totals.get((one.problem, one.stays), (np.zeros(len(columns)), 0))
        totals[one.problem, one.stays] = held + one.held[rows][:, columns, 0].sum(0), count + int(rows.sum())
    known = [float((held / count).min()) for held, count in totals.values() if count >= _FEWEST]
    everyone = sum(len(one.size) for one in cohorts)
    return min(known, default=0.0), sum(count for _, count in totals.values()) / everyone


def choose(cohorts: Sequence[Cohorts], goal: float = GOAL) -> tuple[float, float, float]:
    """The limits of size, share and mean that support most cohorts of those under which coverage reaches `goal`.

    The strictest where none does, as with few cohorts.
    """
    sizes, shares, means = TRIED.values()
    tried = list(itertools.product(sizes, shares, means))
    found = [(least_coverage(cohorts, limits), limits) for limits in tried]
    strictest = 0.0, (max(sizes), min(shares), min(means))
    return max(((share, limits) for (least, share), limits in found if least >= goal), default=strictest)[1]


def table(cohorts: Sequence[Cohorts], limits: Thresholds) -> list[dict[str, Any]]:
    """Coverage of every estimator, method, size and verdict, over all problems' cohorts, with their count."""
    rows: list[dict[str, Any]] = []
    for stays, label in itertools.product(sorted({c.stays for c in cohorts}), ORDER):
        held = np.concatenate([one.held[one.labels(limits)[label]] for one in cohorts if one.stays == stays])
        for (e, name), (m, method) in itertools.product(enumerate(NAMES), enumerate(METHODS)):
            column = held[:, e, m]
            if len(column) and not np.isnan(column).all():
                coverage = float(np.nanmean(column))
                rows.append({"stays": stays, "verdict": label, "estimator": name, "method": method,
                             "coverage": coverage, "cohorts": int((~np.isnan(column)).sum())})  # fmt: skip
    return rows


def summary(folder: Path) -> dict[str, object]:
    """All that the page tells of coverage."""
    cohorts, limits = load(folder), Thresholds()
    first = [one for one in cohorts if one.problem in CHOSEN_ON]
    third = [one for one in cohorts if one.problem in CONFIRMED_ON]
    supported = (limits.effective_sample_size[0], limits.largest_share[0], limits.mean_weight[0])
    return {
        "chosen": choose(first),
        "in_use": supported,
        "least_coverage": {
            "chosen on": least_coverage(first, supported),
            "confirmed on": least_coverage(third, supported),
            "starting limits, chosen on": least_coverage(first, FORMER),
            "starting limits, confirmed on": least_coverage(third, FORMER),
        },
        "all": table(cohorts, limits),
        "confirmed": table(third, limits),
    }


def main(out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER) -> None:
    """Write what the cells say."""
    write_text(out / "coverage.json", json.dumps(summary(out), indent=1))


if __name__ == "__main__":
    typer.run(main)
