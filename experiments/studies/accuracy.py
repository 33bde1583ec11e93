"""Every estimator against the truth, on patients whose truth is known.

`python -m posology.experiments.studies.accuracy`.

A cell is one cohort of one environment: drawn, split by patient into one half for the fitted clinician and the critic
and one half to estimate on, and each candidate policy judged by every estimator under every behaviour policy. Cells
are files of their own and are not computed again; `accuracy_summary` makes tables and figures of them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, cast

import torch
import typer
from torch import Tensor

from ...agents.behavior import BehaviorConfig, BehaviorPolicy, fit_behavior
from ...contracts import Blend, Clinician, Decisions, DiscretePolicy, Treatment
from ...evaluation import estimate
from ...evaluation.off_policy import ESTIMATORS, CriticConfig, FittedQ, bootstrap_intervals, fitted_q_evaluation
from ...evaluation.off_policy.intervals import UNBOUNDED
from ...evaluation.true_value import rollout_value
from ...patient_models.tabular import Tabular
from ...trajectories.rollout import Rollout, rollout
from ..sources import SOURCES, clinician, true_treatment
from ..stages import write_text
from .candidates import Target, Tilted, candidates
from .coverage import FOLDER

PATIENTS = 10**9  # first patient of every cohort, far from those of the truth
REFERENCE = 3_000  # stays from which candidates are made
TRUE_STAYS = 10_000
DRAWS = 100
BEHAVIORS = ("true", "logistic", "network", "sharpened")
CRITIC = CriticConfig(kind="linear")
ESTIMATED = tuple(name for name in ESTIMATORS if name != "kernel_importance_sampling")
LIGHT = tuple(name for name in ESTIMATED if set(ESTIMATORS[name].needs) == {"reward", "log_ratio", "mask", "discount"})
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
    light: bool = False  # without a critic, so that there can be many: what is said of verdicts needs many cohorts

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.environment}-{self.stays}-{self.hidden:g}-{self.repeat}{'-light' * self.light}"


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

    def times(count: int) -> range:
        return range(max(1, round(repeats * count)))

    for stays, count in ((500, 3), (2000, 2), (4000, 1)):
        for k in times(count):
            mismatched = stays == 2000 and k == 0
            yield Cell(environment, stays, 0.0, k, BEHAVIORS if mismatched else BEHAVIORS[:2])
    if environment not in NOTHING_HIDDEN:
        yield Cell(environment, 2000, 1.0, 0, BEHAVIORS[:2])
    yield from (Cell(environment, 1000, 0.0, k, BEHAVIORS[:2], light=True) for k in times(20))


def behaviors(names: tuple[str, ...], train: Decisions, actions: int, seed: int) -> dict[str, DiscretePolicy | None]:
    """Behaviour policies by name, fitted on training stays; None stands for the recorded propensities."""
    cut = len(train) * 4 // 5
    parts = train.rows(torch.arange(cut)), train.rows(torch.arange(cut, len(train)))
    found: dict[str, DiscretePolicy | None] = {"true": None}
    for kind in ("logistic", "network"):
        if kind in names or kind == "logistic":
            found[kind] = fit_behavior(*parts, BehaviorConfig(actions=actions, kind=kind), seed=seed)
    if "sharpened" in names:
        fitted = cast(BehaviorPolicy, found["logistic"])
        found["sharpened"] = Tilted(fitted, torch.zeros(actions), power=2.0)
    return found


def run_cell(cell: Cell, truth: dict[str, float]) -> list[Row]:
    """Judge every candidate in one cohort; `truth` by policy, the clinicians' under "clinician"."""
    treatment, acting = true_treatment(cell.environment), clinician(cell.environment, 1.0, cell.hidden)
    seed = zlib.crc32(cell.name.encode())
    done = rollout(treatment, acting, 2 * cell.stays, seed=PATIENTS + seed % 10**6 * 10**5)
    train = done.decisions.rows(torch.arange(cell.stays))
    held_out = done.decisions.rows(torch.arange(cell.stays, 2 * cell.stays))
    fitted = behaviors(cell.behaviors, train, treatment.spec.actions, seed % 1000)
    state = states(treatment, done)[cell.stays :]
    judged = everyone(cell.environment, acting)
    rows = []
    for name, target in judged.items():
        found = None
        if not cell.light:
            found = fitted_q_evaluation(held_out, target, train=train, behavior=fitted["logistic"], config=CRITIC)
        for behavior in cell.behaviors:
            rows += _rows(name, target, held_out, state, found, (behavior, fitted[behavior]), truth)
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
    name: str,
    target: Target,
    held_out: Decisions,
    state: Tensor,
    critic: FittedQ | None,
    behavior: tuple[str, DiscretePolicy | None],
    truth: dict[str, float],
) -> list[Row]:
    if critic is None:
        estimates = estimate(held_out, target, behavior[1], LIGHT)
    else:
        estimates = estimate(held_out, target, behavior[1], ESTIMATED, q=critic.q, v=critic.v, state=state)
    bounds = dict.fromkeys(estimates, UNBOUNDED)  # not of what would have to be fitted anew in each resample
    bounds |= bootstrap_intervals({n: e for n, e in estimates.items() if e.totalled() is not None}, draws=DRAWS)
    return [
        Row(
            policy=name,
            blend=isinstance(target, Blend),
            behavior=behavior[0],
            estimator=estimator,
            value=e.value,
            low=bounds[estimator][0],
            high=bounds[estimator][1],
            size=e.effective_sample_size,
            mean_weight=e.mean_weight,
            verdict=e.verdict,
            truth=truth[name],
            clinician=truth["clinician"],
        )
        for estimator, e in estimates.items()
    ]


def everyone(environment: str, acting: Clinician) -> dict[str, Target]:
    """The candidates of an environment, in a trial of which `acting` would do the rest."""
    fitted, logged = reference(environment)
    return candidates(true_treatment(environment).spec, fitted, logged, acting)


@cache
def reference(environment: str) -> tuple[DiscretePolicy, Decisions]:
    """The fitted clinician that candidates start from, and the cohort that no cell sees."""
    treatment = true_treatment(environment)
    logged = rollout(treatment, clinician(environment, 1.0, 0.0), REFERENCE, seed=PATIENTS - 10**6).decisions
    fitted = behaviors(("logistic",), logged, treatment.spec.actions, 0)["logistic"]
    assert fitted is not None
    return fitted, logged


def true_values(environment: str, hidden: float, stays: int = TRUE_STAYS) -> dict[str, float]:
    """What every candidate, and the clinicians, are truly worth, on the same patients."""
    treatment: Treatment = true_treatment(environment)
    acting = clinician(environment, 1.0, hidden)
    actors = {"clinician": acting, **everyone(environment, acting)}
    return {name: rollout_value(treatment, actor, stays, 0).value for name, actor in actors.items()}


def main(
    out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER,
    environments: Annotated[str, typer.Option(help="comma-separated")] = ",".join(ENVIRONMENTS),
    repeats: Annotated[float, typer.Option(help="share of the repeats of each setting")] = 1.0,
    light: Annotated[bool, typer.Option("--light", help="only the cells without a critic")] = False,
    true_stays: Annotated[int, typer.Option(help="simulated patients behind each true value")] = TRUE_STAYS,
) -> None:
    """Judge the candidates in every cell that is not there yet."""
    torch.set_num_threads(1)
    for environment in environments.split(","):
        for cell in cells(environment, repeats):
            path = out / "accuracy" / f"{cell.name}.json"
            if path.is_file() or (light and not cell.light):
                continue
            truth = out / "accuracy" / f"truth-{environment}-{cell.hidden:g}.json"
            truth.parent.mkdir(parents=True, exist_ok=True)
            if not truth.is_file():
                write_text(truth, json.dumps(true_values(environment, cell.hidden, true_stays), indent=1))
            rows = run_cell(cell, json.loads(truth.read_text()))
            write_text(path, json.dumps({"cell": asdict(cell), "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    typer.run(main)
