"""What verdicts and intervals are worth where the clinicians' propensities are known, and where they are fitted.

`python -m posology.experiments.studies.fitted_behavior`.

A cell is one cohort: one half fits the clinician (in two ways, and anew on resampled patients) and the critic, on the
other half policies near and far are estimated. What intervals and verdicts are without refits and without the check of
weights against critic is kept beside what they are with them. Cells are files and are not computed again;
`fitted_behavior_page` makes tables of them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from ...contracts import Blend, Decisions, Policy
from ...evaluation import Estimate, estimate
from ...evaluation.off_policy import CriticConfig, bootstrap_intervals, fitted_q_evaluation
from ...evaluation.off_policy.intervals import standard_error
from ...trajectories.rollout import rollout
from ..sources import clinician, true_treatment
from ..stages import write_text
from .accuracy import BY_WEIGHT as ESTIMATED
from .behaviors import known_behaviors
from .candidates import Target, mildest
from .cell_files import JOBS, fill
from .coverage import FOLDER
from .known_values import CLINICIAN, Values, known_values
from .known_values import STAYS as TRUE_STAYS
from .reference_policies import everyone

PATIENTS = 11 * 10**9  # seed of the first patient
STAYS = 1000  # to estimate on, and as many to fit on
DRAWS = 200
CHOSEN_ON = ("sepsis", "warfarin")  # patients with whom limits of agreement were chosen
CONFIRMED_ON = ("icu_sepsis", "tumor", "propofol", "hiv")
ENVIRONMENTS = (*CHOSEN_ON, *CONFIRMED_ON)
KINDS = ("true", "logistic", "network")
BLENDS = ("5% random", "10% random", "5% none", "10% sharpened", "20% sharpened", "30% sharpened")
FAR = ("random", "none")


@dataclass(frozen=True)
class Row:
    """One estimate of one policy."""

    environment: str
    repeat: int
    behavior: str
    policy: str
    blend: bool
    estimator: str
    truth: float
    clinician: float  # true value of the clinicians
    value: float
    plain: tuple[float, float]  # interval that takes the behaviour policy for right
    interval: tuple[float, float]  # interval with its error
    before: str  # verdict by the weights alone
    verdict: str  # ... and by whether weights and critic agree
    gap: float  # of weighted and doubly robust estimates, in standard errors; 0 with true propensities
    size: float  # effective sample size, the least over decisions
    mean_weight: float  # 1 in expectation
    excess_nll: float  # of the behaviour policy on held-out decisions over the true propensities, nats per decision


@dataclass(frozen=True)
class _About:
    """What the estimates of one policy have in common; the names are those of `Row`."""

    environment: str
    repeat: int
    behavior: str
    policy: str
    blend: bool
    excess_nll: float


def run_cell(environment: str, repeat: int, truth: Values, stays: int = STAYS) -> list[Row]:
    """Judge policies near and far in one cohort; `truth` also knows the clinicians."""
    treatment, acting = true_treatment(environment), clinician(environment, 1.0, 0.0)
    seed = zlib.crc32(f"{environment}-{repeat}".encode()) % 10**5
    logged = rollout(treatment, acting, 2 * stays, seed=PATIENTS + seed * 10**5).decisions
    train, held_out = logged.rows(torch.arange(stays)), logged.rows(torch.arange(stays, 2 * stays))
    known = known_behaviors(KINDS, train, treatment, seed)
    excess = {one.name: _excess(held_out, one.policy) for one in known}
    rows: list[Row] = []
    for name, target in judged(environment).items():
        critic = fitted_q_evaluation(held_out, target, train=train, config=CriticConfig(kind="linear"))
        for one in known:
            found = estimate(
                held_out, target, one.policy, list(ESTIMATED), q=critic.q, v=critic.v, refits=one.refits
            )  # fmt: skip
            about = _About(environment, repeat, one.name, name, isinstance(target, Blend), excess[one.name])
            rows += _rows(found, about, truth)
    return rows


def _rows(found: dict[str, Estimate], about: _About, truth: Values) -> Iterator[Row]:
    intervals = bootstrap_intervals(found, draws=DRAWS)
    bare = {name: replace(e, shifts=None, gap=None) for name, e in found.items()}
    plain = bootstrap_intervals(bare, draws=DRAWS)
    for name, e in found.items():
        gap = e.gap
        yield Row(
            **asdict(about),
            estimator=name,
            truth=truth[about.policy][0],
            clinician=truth[CLINICIAN][0],
            value=e.value,
            plain=plain[name],
            interval=intervals[name],
            before=bare[name].verdict,
            verdict=e.verdict,
            gap=0.0 if gap is None else gap.value / max(standard_error(gap.num, gap.den), 1e-12),
            size=float(e.effective_sample_sizes.min()),
            mean_weight=e.mean_weight,
        )


def _excess(held_out: Decisions, behavior: Policy | None) -> float:
    assert held_out.log_behavior is not None
    if behavior is None:
        return 0.0
    mask = held_out.mask
    own = behavior.log_prob(held_out.obs[:, :-1][mask], None, held_out.action[mask])
    return float((held_out.log_behavior[mask] - own).mean())


def judged(environment: str) -> dict[str, Target]:
    """Of the candidates: blends, the mildest tilt of each drug either way, and two that are far from clinicians."""
    found = everyone(environment)
    names = (*BLENDS, *mildest(true_treatment(environment).spec), *FAR)
    return {name: found[name] for name in names}


def write_cell(path: Path, environment: str, repeat: int, stays: int, truth: Values) -> None:
    """One cell's file."""
    rows = run_cell(environment, repeat, truth, stays)
    write_text(path, json.dumps([asdict(row) for row in rows]))


def main(
    out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER,
    environments: Annotated[str, typer.Option(help="comma-separated")] = ",".join(ENVIRONMENTS),
    repeats: Annotated[int, typer.Option(help="cohorts of each environment")] = 20,
    stays: Annotated[int, typer.Option(help="stays to estimate on, and to fit on")] = STAYS,
    true_stays: Annotated[int, typer.Option(help="simulated patients behind the clinicians' true value")] = TRUE_STAYS,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = JOBS,
) -> None:
    """Judge in every cell that is not there yet."""
    torch.set_num_threads(1)
    names = environments.split(",")
    truths = known_values(out, {(name, 0.0): list(judged(name)) for name in names}, stays=true_stays, jobs=jobs)
    todo = {
        out / "fitted_behavior" / f"{name}-{stays}-{repeat}.json": (name, repeat, stays, truths[name, 0.0])
        for repeat in range(repeats)
        for name in names
    }
    fill(write_cell, todo, jobs=jobs, title="known and fitted propensities")


if __name__ == "__main__":
    typer.run(main)
