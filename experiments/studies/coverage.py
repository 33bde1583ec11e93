"""How often intervals hold the truth, by method and sample size.

`python -m posology.experiments.studies.coverage`.

Every cell (problem, distance, stays) is a file of its own and is not computed again; see `calibration` for what is
made of them.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from safetensors.numpy import load_file, save_file

from ...evaluation.off_policy import ESTIMATORS, Estimate
from ...evaluation.off_policy.concentration import empirical_bernstein, hoeffding
from ...evaluation.off_policy.intervals import Bounds, bias_corrected, delta, normal, percentile, student_t
from ...evaluation.off_policy.logged import Array
from ...evaluation.off_policy.resampling import leave_one_out, replicates
from ...evaluation.off_policy.weights import Weights
from .cell_files import JOBS, fill
from .problems import PROBLEMS, Cohort, Range

FOLDER = Path("runs/study-ope")
SIZES = (100, 1_000, 10_000)
REPLICATES = 400
DRAWS = 200
LEVEL = 0.95
METHODS = ("bootstrap", "bca", "delta", "normal", "student_t", "hoeffding", "empirical_bernstein")
NAMES = (
    "importance_sampling",
    "per_decision_importance_sampling",
    "weighted_importance_sampling",
    "weighted_per_decision_importance_sampling",
    "doubly_robust",
    "weighted_doubly_robust",
    "magic",
)
_AT_ONCE = 400_000  # stays drawn in one go


def cell_path(folder: Path, problem: str, far: float, stays: int) -> Path:
    """Where the replicates of one cell are kept."""
    return folder / "coverage" / f"{problem}-{far:g}-{stays}.safetensors"


def run_cell(problem: str, far: float, stays: int, count: int = REPLICATES) -> dict[str, Array]:
    """`value` (R, E), `low` and `high` (R, E, M), and of the weights (R,): size, share, mean, each final and worst."""
    source = PROBLEMS[problem]
    rng = np.random.default_rng([zlib.crc32(problem.encode()), round(1000 * far), stays])
    found: dict[str, list[Array]] = {}
    ranges = source.ranges(far)
    for start in range(0, count, max(1, _AT_ONCE // stays)):
        size = min(max(1, _AT_ONCE // stays), count - start)
        many = source.draw(rng, size * stays, far)
        for number in range(size):
            one = many.rows(slice(number * stays, (number + 1) * stays))
            for key, value in replicate(one, ranges, start + number).items():
                found.setdefault(key, []).append(value)
    return {key: np.stack(values) for key, values in found.items()} | {"truth": np.array([source.truth(far)])}


def replicate(cohort: Cohort, ranges: Mapping[str, Range], seed: int) -> dict[str, Array]:
    """Every estimate of one cohort with all its intervals; nan where a method does not apply."""
    given = {**vars(cohort), "discount": 1.0, "cluster": None}
    estimates = [ESTIMATORS[n].function(**{need: given[need] for need in ESTIMATORS[n].needs}) for n in NAMES]
    parts = [part for e in estimates if (part := e.totalled()) is not None]
    drawn = replicates(parts, DRAWS, seed)
    bounds = np.full((len(NAMES), len(METHODS), 2), np.nan)
    for e, (name, estimate) in enumerate(zip(NAMES, estimates, strict=True)):
        for m, found in enumerate(_intervals(estimate, drawn[:, e], ranges.get(name))):
            if found is not None:
                bounds[e, m] = found
    return {
        "value": np.array([estimate.value for estimate in estimates]),
        "low": bounds[..., 0],
        "high": bounds[..., 1],
        **_diagnostics(estimates[0].weights[0]),
    }


def _intervals(estimate: Estimate, drawn: Array, terms: Range | None) -> list[Bounds | None]:
    """In the order of METHODS."""
    num, den, value = estimate.num, estimate.den, estimate.value
    if estimate.statistic is not None:
        return [percentile(drawn, LEVEL), None, None, normal(value, drawn, LEVEL), None, None, None]
    bounded: list[Bounds | None] = [None, None]
    if terms is not None:
        plain = (num / den)[:, 0]
        bounded = [bound(plain, None, terms, LEVEL) for bound in (hoeffding, empirical_bernstein)]
    return [
        percentile(drawn, LEVEL),
        bias_corrected(value, leave_one_out(num, den), drawn, LEVEL),
        delta(num, den, LEVEL),
        normal(value, drawn, LEVEL),
        student_t(num, den, LEVEL),
        *bounded,
    ]


def _diagnostics(weights: Weights) -> dict[str, Array]:
    size, share, mean = weights.effective_sample_size(), weights.largest_share(), weights.mean()
    return {
        "size": np.array([size[-1], size.min()]),
        "share": np.array([share[-1], share.max()]),
        "mean": np.array([mean[-1], mean.min(), mean.max()]),
    }


def write_cell(path: Path, problem: str, far: float, stays: int, count: int) -> None:
    """One cell's file."""
    partial = path.with_suffix(".part")
    save_file(run_cell(problem, far, stays, count), partial)
    partial.replace(path)


def main(
    out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER,
    replicates: Annotated[int, typer.Option(min=1, help="cohorts in each cell")] = REPLICATES,
    largest: Annotated[int, typer.Option(help="stays at most")] = SIZES[-1],
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = JOBS,
) -> None:
    """Draw the cohorts of every cell that is not there yet."""
    cells = [
        (problem, far, stays)
        for stays, problem in itertools.product(sorted(SIZES, reverse=True), PROBLEMS)  # the longest first
        for far in PROBLEMS[problem].distances
        if stays <= largest
    ]
    todo = {cell_path(out, *cell): (*cell, replicates) for cell in cells}
    fill(write_cell, todo, jobs=jobs, title="coverage of intervals")


def load_cell(folder: Path, problem: str, far: float, stays: int) -> dict[str, Array]:
    """What `run_cell` found; FileNotFoundError where it has not run."""
    path = cell_path(folder, problem, far, stays)
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, found none; run `make study-ope` first")
    return dict(load_file(path))


if __name__ == "__main__":
    typer.run(main)
