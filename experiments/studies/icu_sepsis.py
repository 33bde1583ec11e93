"""ICU-Sepsis: exact values, what its knob confounds, what weights are worth, and planning in counted models.

`python -m posology.experiments.studies.icu_sepsis [--page docs/patients/icu_sepsis.md]`; needs the `icu-sepsis`
package. Results are kept beside the figures as JSON; what is already there is not computed again.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...contracts import Trajectories
from ...envs.dose_treatment import DoseTreatment
from ...patient_models.icu_sepsis import Inadmissible, icu_sepsis, shipped
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician, ModalClinician
from ...patient_models.icu_sepsis_spec import HOURS, SPEC
from ...patient_models.tabular import Tabular
from ...patient_models.tabular_fit import fit_tabular
from ...patient_models.tabular_values import (
    Worth,
    action_value_table,
    deterministic,
    mean_length,
    optimal,
    policy_value,
    random_probs,
    state_values,
)
from ...patient_models.tabular_weights import weight_moments
from ...trajectories.levels import levels_of_action
from ...trajectories.rollout import rollout
from ..stages import write_text
from .icu_sepsis_figures import draw_courses, draw_planning
from .icu_sepsis_page import page

KNOBS = (0.0, 1.0, 2.0, 4.0)
DECISIONS = (1, 2, 3, 5, 10, 15)
SIZES, SEEDS = (1000, 5000, 20_000), 3
PRIOR = 10.0  # visits, of the cautious fit
SHOWN = 20  # patients in the figure of courses
HORIZON = Worth(1.0, 0.0, 1.0)


def tables(patient: Tabular) -> dict[str, Tensor]:
    """The policies of the table (S, A), by their name on the page."""
    every = torch.arange(SPEC.actions)
    fixed = {int(a): deterministic(patient, patient.nearest[:, a]) for a in every}
    best_fixed = max(fixed, key=lambda a: policy_value(patient, fixed[a]))
    levels = levels_of_action(SPEC, every)[best_fixed].tolist()
    return {
        "Clinician (the expert on admissible actions)": ICUSepsisClinician(0.0).table,
        "Clinician at confounding 1 (default)": ICUSepsisClinician(1.0).table,
        "Random admissible dose": random_probs(patient),
        "Least dose that is admissible": fixed[0],
        "Greatest dose that is admissible": fixed[SPEC.actions - 1],
        f"Best fixed dose (fluid {levels[0]}, vasopressor {levels[1]}, or the nearest admissible)": fixed[best_fixed],
        "Most frequent action of the expert": deterministic(patient, ModalClinician().action),
        "Optimal": optimal(patient)[1],
    }


def exact_values() -> list[dict[str, Any]]:
    """Each policy's exact value, with and without the horizon, and mean length of stay."""
    patient = icu_sepsis()
    return [
        {
            "policy": name,
            "value": policy_value(patient, table),
            "horizon_value": policy_value(patient, table, HORIZON, horizon=50),
            "decisions": mean_length(patient, table),
        }
        for name, table in tables(patient).items()
    ]


def published_values() -> list[dict[str, Any]]:
    """The package's own three policies under its own rule, where inadmissible actions act as the mean."""
    patient = icu_sepsis("mean")
    every = torch.full_like(shipped().expert, 1 / SPEC.actions)
    found = {"random": every, "expert": shipped().expert, "optimal": optimal(patient)[1]}
    return [
        {"policy": name, "value": policy_value(patient, t), "decisions": mean_length(patient, t)}
        for name, t in found.items()
    ]


def confounding() -> list[dict[str, float]]:
    """Exact slope of survival on the first dose's distance from the expert's mean, per level, and its bias."""
    patient = icu_sepsis()
    levels = levels_of_action(SPEC, torch.arange(SPEC.actions)).sum(1).double()
    expert = ICUSepsisClinician(0.0).table
    distance = levels - (expert @ levels)[:, None]
    worth = action_value_table(patient, state_values(patient, expert))
    rows = []
    for knob in KNOBS:
        table = ICUSepsisClinician(knob).table
        weight = patient.start[:, None] * table
        inner = distance - (table * distance).sum(1, keepdim=True)
        centred = distance - (weight * distance).sum()
        causal = float((weight * inner * worth).sum() / (weight * inner * distance).sum())
        slope = float((weight * centred * worth).sum() / (weight * centred * distance).sum())
        quality = policy_value(patient, table)
        rows.append({"knob": knob, "slope": slope, "causal": causal, "bias": slope - causal, "value": quality})
    return rows


def weights() -> list[dict[str, float]]:
    """Exact effective share of logged stays for evaluating the optimum from the clinician's stays."""
    patient = icu_sepsis()
    behavior, targets = ICUSepsisClinician(0.0).table, tables(patient)
    names = {"optimal": "Optimal", "modal": "Most frequent action of the expert", "random": "Random admissible dose"}
    return [
        {"decisions": float(t)}
        | {
            key: weight_moments(patient, targets[name], behavior, horizon=t).effective_share
            for key, name in names.items()
        }
        for t in DECISIONS
    ]


@functools.cache
def numbered_stays(rule: Inadmissible, stays: int, seed: int) -> Trajectories:
    """Stays of the expert, of which the state's number is recorded."""
    patient = icu_sepsis(rule, numbered=True)
    core = DoseTreatment(patient, horizon=50, interval_hours=HOURS)
    return rollout(core, ICUSepsisClinician(0.0, floor=0.0, patient=patient), stays, seed=seed).trajectories


def planning(seed: int) -> list[dict[str, Any]]:
    """What the best policy in a counted model claims and truly gets, by rule, number of stays and prior."""
    rows = []
    rules: tuple[tuple[Inadmissible, float], ...] = (("mean", 0.0), ("forbidden", 0.0), ("forbidden", PRIOR))
    for rule, prior in rules:
        truth, logged = icu_sepsis(rule, numbered=True), numbered_stays(rule, max(SIZES), seed * 10**6)
        for stays in SIZES:
            fitted = fit_tabular(truth, logged.rows(torch.arange(stays)), prior=prior)
            claimed, table = optimal(fitted)
            true = policy_value(truth, table)
            rows.append({"rule": rule, "prior": prior, "stays": stays, "seed": seed, "claimed": claimed, "true": true})
    return rows


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path(
        "docs/patients/icu_sepsis.md"
    ),
    figures: Annotated[Path, typer.Option(help="Folder of the figures and of the results.")] = Path("docs/figures"),
) -> None:
    """Compute what is missing and write the page with its figures."""
    store = figures / "icu_sepsis.json"
    parts: dict[str, Callable[[], Any]] = {
        "published": published_values,
        "exact": exact_values,
        "confounding": confounding,
        "weights": weights,
    }
    parts |= {f"planning_{seed}": functools.partial(planning, seed) for seed in range(SEEDS)}
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    for name, compute in parts.items():
        if name not in found:
            found[name] = compute()
            figures.mkdir(parents=True, exist_ok=True)
            write_text(store, json.dumps(found, indent=1) + "\n")
    plans = [row for seed in range(SEEDS) for row in found[f"planning_{seed}"]]
    draw_courses(figures / "icu_sepsis_courses.png", SHOWN)
    draw_planning(figures / "icu_sepsis_planning.png", plans, found["published"])
    page_path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page_path, page(found, plans))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
