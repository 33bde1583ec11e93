"""What a fitted behaviour policy does to estimates, intervals and verdicts, where the truth is known.

`python -m posology.experiments.studies.fitted_behavior`.

A cell is one cohort: one half fits the clinician (in two ways, and anew on resampled patients) and the critic, on the
other half near policies and blends are estimated. What intervals and verdicts were without refits and without the
check of weights against critic is kept beside what they are with them. Cells are files and are not computed again.
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

from ...agents.behavior import BehaviorConfig, fit_behavior
from ...contracts import Blend, Clinician, Decisions, DiscretePolicy, Policy, Treatment
from ...evaluation import Estimate, estimate
from ...evaluation.off_policy import CriticConfig, behavior_refits, bootstrap_intervals, fitted_q_evaluation
from ...evaluation.off_policy.intervals import standard_error
from ...evaluation.true_value import rollout_value
from ...trajectories.rollout import rollout
from ..sources import clinician, true_treatment
from ..stages import write_text
from .accuracy import everyone
from .candidates import Target
from .coverage import FOLDER

PATIENTS = 11 * 10**9  # seed of the first patient
STAYS = 1000  # to estimate on, and as many to fit on
TRUE_STAYS, CLINICIAN_STAYS = 4_000, 10_000  # behind a difference from the clinicians, and behind their own value
REFITS, DRAWS = 4, 200
ENVIRONMENTS = ("sepsis", "icu_sepsis", "warfarin")
KINDS = ("logistic", "network")
JUDGED = ("5% random", "10% random", "5% none", "10% sharpened", "20% sharpened", "30% sharpened", "less warfarin 0.5",
          "more fluid 1")  # fmt: skip
ESTIMATED = ("weighted_importance_sampling", "weighted_per_decision_importance_sampling", "doubly_robust",
             "weighted_doubly_robust")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One estimate of one policy."""

    environment: str
    repeat: int
    behavior: str
    policy: str
    estimator: str
    truth: float
    value: float
    plain: tuple[float, float]  # interval that takes the behaviour policy for right
    interval: tuple[float, float]  # interval with its error
    before: str  # verdict by the weights alone
    verdict: str  # ... and by whether weights and critic agree
    gap: float  # of weighted and doubly robust estimates, in standard errors; 0 with true propensities
    size: float  # effective sample size, the least over decisions
    excess_nll: float  # of the behaviour policy on held-out decisions over the true propensities, nats per decision


@dataclass(frozen=True)
class _Known:
    """A behaviour policy with its refits; None and no refits for the true propensities."""

    name: str
    policy: Policy | None
    refits: tuple[Policy, ...]


def run_cell(environment: str, repeat: int, truth: dict[str, float], stays: int = STAYS) -> list[Row]:
    """Judge the near policies and blends in one cohort."""
    treatment, acting = true_treatment(environment), clinician(environment, 1.0, 0.0)
    seed = zlib.crc32(f"{environment}-{repeat}".encode()) % 10**5
    logged = rollout(treatment, acting, 2 * stays, seed=PATIENTS + seed * 10**5).decisions
    cut = stays * 4 // 5
    parts = [logged.rows(torch.arange(*ends)) for ends in ((0, cut), (cut, stays), (0, stays), (stays, 2 * stays))]
    train, tuning, everything, held_out = parts
    known = [_Known("true", None, ()), *(_fitted(kind, train, tuning, treatment, seed) for kind in KINDS)]
    rows: list[Row] = []
    for name, target in judged(environment, acting).items():
        critic = fitted_q_evaluation(held_out, target, train=everything, config=CriticConfig(kind="linear"))
        for one in known:
            found = estimate(
                held_out, target, one.policy, list(ESTIMATED), q=critic.q, v=critic.v, refits=one.refits
            )  # fmt: skip
            excess = _excess(held_out, one.policy)
            rows += _rows(found, environment, repeat, one.name, name, truth[name], excess)
    return rows


def _fitted(kind: str, train: Decisions, tuning: Decisions, treatment: Treatment, seed: int) -> _Known:
    config = BehaviorConfig(actions=treatment.spec.actions, kind=kind)  # type: ignore[arg-type]

    def fit(some: Decisions, others: Decisions, number: int) -> Policy:
        return fit_behavior(some, others, config, seed=number)

    refits = behavior_refits(fit, train, tuning, REFITS, seed=seed)
    return _Known(kind, fit(train, tuning, seed), refits)


def _rows(
    found: dict[str, Estimate], environment: str, repeat: int, behavior: str, policy: str, truth: float, excess: float
) -> Iterator[Row]:
    intervals = bootstrap_intervals(found, draws=DRAWS)
    bare = {name: replace(e, shifts=None, gap=None) for name, e in found.items()}
    plain = bootstrap_intervals(bare, draws=DRAWS)
    for name, e in found.items():
        gap = e.gap
        yield Row(
            environment=environment,
            repeat=repeat,
            behavior=behavior,
            policy=policy,
            estimator=name,
            truth=truth,
            value=e.value,
            plain=plain[name],
            interval=intervals[name],
            before=bare[name].verdict,
            verdict=e.verdict,
            gap=0.0 if gap is None else gap.value / max(standard_error(gap.num, gap.den), 1e-12),
            size=float(e.effective_sample_sizes.min()),
            excess_nll=excess,
        )


def _excess(held_out: Decisions, behavior: Policy | None) -> float:
    assert held_out.log_behavior is not None
    if behavior is None:
        return 0.0
    mask = held_out.mask
    own = behavior.log_prob(held_out.obs[:, :-1][mask], None, held_out.action[mask])
    return float((held_out.log_behavior[mask] - own).mean())


def judged(environment: str, acting: Clinician) -> dict[str, Target]:
    """The policies of the accuracy study that weights can carry."""
    return {name: policy for name, policy in everyone(environment, acting).items() if name in JUDGED}


def true_values(environment: str) -> dict[str, float]:
    """True values, each the clinicians' plus the difference on the same patients."""
    treatment, acting = true_treatment(environment), clinician(environment, 1.0, 0.0)

    def value(who: Clinician | DiscretePolicy | Blend, stays: int) -> float:
        return rollout_value(treatment, who, stays, 0).value

    base = value(acting, CLINICIAN_STAYS) - value(acting, TRUE_STAYS)
    return {name: base + value(policy, TRUE_STAYS) for name, policy in judged(environment, acting).items()}


def main(
    out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER,
    environments: Annotated[str, typer.Option(help="comma-separated")] = ",".join(ENVIRONMENTS),
    repeats: Annotated[int, typer.Option(help="cohorts of each environment")] = 12,
    stays: Annotated[int, typer.Option(help="stays to estimate on, and to fit on")] = STAYS,
) -> None:
    """Judge in every cell that is not there yet."""
    torch.set_num_threads(1)
    folder = out / "fitted_behavior"
    folder.mkdir(parents=True, exist_ok=True)
    for repeat in range(repeats):
        for environment in environments.split(","):
            path, truth = folder / f"{environment}-{stays}-{repeat}.json", folder / f"truth-{environment}.json"
            if path.is_file():
                continue
            if not truth.is_file():
                write_text(truth, json.dumps(true_values(environment), indent=1))
            rows = run_cell(environment, repeat, json.loads(truth.read_text()), stays)
            write_text(path, json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    typer.run(main)
