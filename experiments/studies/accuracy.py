"""Every estimator against the truth, on patients whose truth is known.

`python -m posology.experiments.studies.accuracy`.

A cell is one cohort of one environment: drawn, split by patient into one half for the fitted clinician and the critic
and one half to estimate on, and each candidate policy judged by every estimator under every behaviour policy, the
fitted ones with refits and the check of weights against the critic, as in runs. Cells are files of their own and are
not computed again; `accuracy_summary` makes tables and figures of them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from ...contracts import Blend, Decisions, Treatment
from ...evaluation import estimate
from ...evaluation.off_policy import ESTIMATORS, CriticConfig, FittedQ, bootstrap_intervals, fitted_q_evaluation
from ...evaluation.off_policy.intervals import UNBOUNDED
from ...patient_models.tabular import Tabular
from ...trajectories.rollout import Rollout, rollout
from ..sources import SOURCES, clinician, true_treatment
from ..stages import write_text
from .behaviors import BEHAVIORS, Known, known_behaviors
from .candidates import Target
from .cell_files import JOBS, fill
from .coverage import FOLDER
from .known_values import CLINICIAN, Values, known_values
from .known_values import STAYS as TRUE_STAYS
from .reference_policies import everyone

PATIENTS = 10**9  # first patient of every cohort, far from those of the truth
DRAWS = 100
USUAL = ("true", "network")
CRITIC = CriticConfig(kind="linear")
ESTIMATED = tuple(name for name in ESTIMATORS if name != "kernel_importance_sampling")
BY_WEIGHT = ("importance_sampling", "per_decision_importance_sampling", "weighted_importance_sampling",
             "weighted_per_decision_importance_sampling", "doubly_robust", "weighted_doubly_robust")  # fmt: skip
NOTHING_HIDDEN = ("icu_sepsis",)  # its state says all that matters
ENVIRONMENTS = tuple(name for name in ("sepsis", "icu_sepsis", "warfarin") if name in SOURCES)


@dataclass(frozen=True)
class Cell:
    """One cohort."""

    environment: str
    stays: int  # to estimate on; as many others to fit on
    hidden: float  # hidden confounding
    repeat: int
    behaviors: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.environment}-{self.stays}-{self.hidden:g}-{self.repeat}"


@dataclass(frozen=True)
class Row:
    """One estimate of one policy."""

    policy: str
    blend: bool
    behavior: str
    estimator: str
    value: float
    low: float
    high: float
    size: float  # effective sample size
    mean_weight: float
    verdict: str
    truth: float
    clinician: float  # true value of the clinicians


def cells(environment: str, repeats: float = 1.0) -> Iterator[Cell]:
    """One setting varied at a time: size, behaviour policy, hidden confounding."""
    for stays, count in ((500, 3), (2000, 2), (4000, 1)):
        for k in range(max(1, round(repeats * count))):
            yield Cell(environment, stays, 0.0, k, BEHAVIORS if stays == 2000 and k == 0 else USUAL)
    if environment not in NOTHING_HIDDEN:
        yield Cell(environment, 2000, 1.0, 0, USUAL)


def run_cell(cell: Cell, truth: Values) -> list[Row]:
    """Judge every candidate in one cohort; `truth` also knows the clinicians."""
    treatment, acting = true_treatment(cell.environment), clinician(cell.environment, 1.0, cell.hidden)
    seed = zlib.crc32(cell.name.encode())
    done = rollout(treatment, acting, 2 * cell.stays, seed=PATIENTS + seed % 10**6 * 10**5)
    train = done.decisions.rows(torch.arange(cell.stays))
    held_out = done.decisions.rows(torch.arange(cell.stays, 2 * cell.stays))
    known = known_behaviors(cell.behaviors, train, treatment, seed % 1000)
    state = states(treatment, done)[cell.stays :]
    rows: list[Row] = []
    for name, target in everyone(cell.environment, cell.hidden).items():
        critic = fitted_q_evaluation(held_out, target, train=train, config=CRITIC)
        for one in known:
            rows += _rows(name, target, held_out, state, critic, one, truth)
    return rows


def states(treatment: Treatment, done: Rollout) -> Tensor:
    """What marginalised estimates go by: a tabular patient's state number (N, T), else observations (N, T, O)."""
    decided = done.decisions.mask
    if not isinstance(treatment.patient, Tabular):
        return torch.where(decided[..., None], done.decisions.obs[:, :-1], 0.0)
    number = torch.zeros(decided.shape, dtype=torch.int64)
    number[decided] = done.trajectories.vitals[:, :-1][decided].unique(dim=0, return_inverse=True)[1]
    return number


def _rows(
    name: str, target: Target, held_out: Decisions, state: Tensor, critic: FittedQ, known: Known, truth: Values
) -> Iterator[Row]:
    q, v = critic.q, critic.v
    others = [estimator for estimator in ESTIMATED if estimator not in BY_WEIGHT]
    estimates = estimate(held_out, target, known.policy, BY_WEIGHT, q=q, v=v, refits=known.refits)
    estimates |= estimate(held_out, target, known.policy, others, q=q, v=v, state=state)
    bounds = dict.fromkeys(estimates, UNBOUNDED)  # not of what would have to be fitted anew in each resample
    bounds |= bootstrap_intervals({n: e for n, e in estimates.items() if e.totalled() is not None}, draws=DRAWS)
    for estimator, e in estimates.items():
        yield Row(
            policy=name,
            blend=isinstance(target, Blend),
            behavior=known.name,
            estimator=estimator,
            value=e.value,
            low=bounds[estimator][0],
            high=bounds[estimator][1],
            size=e.effective_sample_size,
            mean_weight=e.mean_weight,
            verdict=e.verdict,
            truth=truth[name][0],
            clinician=truth[CLINICIAN][0],
        )


def write_cell(path: Path, cell: Cell, truth: Values) -> None:
    """One cell's file."""
    rows = run_cell(cell, truth)
    write_text(path, json.dumps({"cell": asdict(cell), "rows": [asdict(row) for row in rows]}))


def main(
    out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER,
    environments: Annotated[str, typer.Option(help="comma-separated")] = ",".join(ENVIRONMENTS),
    repeats: Annotated[float, typer.Option(help="share of the repeats of each setting")] = 1.0,
    true_stays: Annotated[int, typer.Option(help="simulated patients behind the clinicians' true value")] = TRUE_STAYS,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = JOBS,
) -> None:
    """Judge the candidates in every cell that is not there yet."""
    torch.set_num_threads(1)
    todo = [cell for name in environments.split(",") for cell in cells(name, repeats)]
    asked = {(cell.environment, cell.hidden): list(everyone(cell.environment)) for cell in todo}
    truths = known_values(out, asked, stays=true_stays, jobs=jobs)
    arguments = {out / "accuracy" / f"{c.name}.json": (c, truths[c.environment, c.hidden]) for c in todo}
    fill(write_cell, arguments, jobs=jobs, title="estimators against the truth")


if __name__ == "__main__":
    typer.run(main)
