"""Dead ends learned from records against the exact ones: ICU-Sepsis, where dynamic programming knows them.

`python -m posology.experiments.studies.dead_ends [--page docs/dead_ends.md]`; needs the `icu-sepsis` package. Results
are kept cohort by cohort: what is there already is not computed again.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from scipy import stats
from torch import Tensor

from ...agents.behavior.fit import BehaviorConfig, fit_behavior
from ...agents.dead_ends import DeadEndConfig, death_risk, fit_dead_ends
from ...agents.records import LoggedData
from ...contracts import DIED
from ...envs import decisions, treatment
from ...envs.icu_sepsis import observe_values
from ...patient_models.icu_sepsis import icu_sepsis
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician
from ...patient_models.tabular_values import Worth, action_value_table, optimal, policy_value, state_values
from ...trajectories.rollout import rollout
from ..stages import write_text

STAYS, COHORTS, TUNING, LIMIT, DONE = 5000, 3, 0.15, 0.25, 0.01
SEED = 31 * 10**11
SWEEPS = (0, 8)


def exact_risk() -> Tensor:
    """Probability of death (S, A) after each action under the best care, exactly."""
    patient, worth = icu_sepsis(), Worth(discharged=0.0, died=-1.0)
    best = state_values(patient, optimal(patient, worth)[1], worth)
    return -action_value_table(patient, best, worth)


def learned_risk(cohort: int, sweeps: int) -> Tensor:
    """The same (S, A) as a critic has learned it from one cohort's records."""
    core = treatment("posology/ICUSepsis-v0", observation="features")
    stays = rollout(core, ICUSepsisClinician(0.0), STAYS, seed=SEED + cohort * 10**6).trajectories
    logged, died = decisions(core, stays), stays.outcome == DIED
    cut = round(STAYS * (1 - TUNING))
    train, tuning = logged.rows(torch.arange(cut)), logged.rows(torch.arange(cut, STAYS))
    behavior = fit_behavior(train, tuning, BehaviorConfig(actions=25, members=1), seed=cohort)
    config = DeadEndConfig(actions=25, sweeps=sweeps)
    critic = fit_dead_ends(LoggedData(train, tuning), (died[:cut], died[cut:]), behavior, config, seed=cohort)
    patient = icu_sepsis()
    return death_risk(critic)(observe_values(patient, patient.values, "features")).double()


def compared(risk: Tensor) -> dict[str, float]:
    """A critic's risks (S, A) against the exact ones, over what clinicians do with at least 1 % probability."""
    patient, exact = icu_sepsis(), exact_risk()
    usual = (ICUSepsisClinician(0.0).table >= DONE) & patient.admissible
    x, y = risk[usual], exact[usual]
    ends = y > LIMIT
    higher = stats.mannwhitneyu(x[ends].numpy(), x[~ends].numpy()).statistic
    flagged = x > LIMIT
    return {
        "area": float(higher / (int(ends.sum()) * int((~ends).sum()))),
        "found": float(flagged[ends].double().mean()),
        "false": float(flagged[~ends].double().mean()),
        "error": float((x - y).abs().mean()),
        "mean": float(x.mean()),
        "exact": float(y.mean()),
        **masked(risk),
    }


def masked(risk: Tensor) -> dict[str, float]:
    """True values of the clinician and of the best policy that keep out of what the critic calls a dead end."""
    patient, clinician = icu_sepsis(), ICUSepsisClinician(0.0).table
    least = risk.masked_fill(~patient.admissible, torch.inf)
    fine = patient.admissible & ((risk <= LIMIT) | (least == least.amin(1, keepdim=True)))
    kept = clinician * fine
    lost = kept.sum(1, keepdim=True) <= 0
    kept = torch.where(lost, fine.double(), kept)
    best, _ = optimal(dataclasses.replace(patient, admissible=fine))
    return {"clinician": policy_value(patient, kept / kept.sum(1, keepdim=True)), "best": best}


def page(found: dict[str, Any]) -> str:
    """The page in Markdown."""
    free, exact = found["free"], found["exact"]
    lines = [_HEAD, f"| none | | | | | | {free['clinician']:.4f} | {free['best']:.4f} |"]
    lines.append(f"| exact | 1 | 100 % | 0 % | 0 | {exact['exact']:.3f} | {_values(exact)} |")
    for sweeps in SWEEPS:
        rows = [found[key] for cohort in range(COHORTS) if (key := f"{sweeps}/{cohort}") in found]
        name = "learned, without looking ahead" if sweeps == 0 else f"learned, {sweeps} sweeps (the default)"
        for row in rows:
            lines.append(
                f"| {name} | {row['area']:.3f} | {100 * row['found']:.0f} % | {100 * row['false']:.0f} % | "
                f"{row['error']:.3f} | {row['mean']:.3f} | {_values(row)} |"
            )
    return "\n".join([*lines, "", _TAIL])


_HEAD = """# Dead ends

Made by `python -m posology.experiments.studies.dead_ends`, which keeps its numbers in `docs/results/dead_ends.json`.

A dead end is a dose after which death has a probability of more than .25 whatever is done then (Q_D < -.25; Fatemi et
al. 2021, arXiv 2110.04186). On ICU-Sepsis it is known exactly. A critic (`agents/dead_ends.py`) learns it from 5,000
logged stays, 85 % to learn and 15 % to stop by; `dead_end` (`envs/score_limits.py`) masks by it and the shield executes
it. One line per cohort. *Area*: under the ROC curve of learned risk for exact dead ends, over all states and what
clinicians do there with a probability of at least 1 %. *Found* and *false*: share of dead ends, and of other doses,
that the critic forbids. *Error* and *mean*: absolute error of the risk of death, and its mean. Last, the exact
probability of leaving alive where the mask is kept, of the clinician and of the best policy.

| mask | area | found | false | error | mean risk | clinician | best policy |
|---|---:|---:|---:|---:|---:|---:|---:|"""

_TAIL = """The critic errs on the side of danger: it starts at how stays really ended in clinicians' hands, and every
sweep looks one decision further ahead for better care.
"""


def _values(row: dict[str, float]) -> str:
    return f"{row['clinician']:.4f} | {row['best']:.4f}"


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/dead_ends.md"),
    store: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("docs/results/dead_ends.json"),
    most: Annotated[int, typer.Option(help="Critics to learn in this call, at most.")] = 1000,
) -> None:
    """Compute what is missing and write the page."""
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    found["free"] = masked(torch.zeros_like(exact_risk()))
    found["exact"] = compared(exact_risk())
    wanted = [(s, c) for s in SWEEPS for c in range(COHORTS) if f"{s}/{c}" not in found]
    for sweeps, cohort in wanted[:most]:
        found[f"{sweeps}/{cohort}"] = compared(learned_risk(cohort, sweeps))
        store.parent.mkdir(parents=True, exist_ok=True)
        write_text(store, json.dumps(found, indent=1) + "\n")
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
