"""What constraints forbid, what the shield makes of it, and what that costs: ICU-Sepsis exactly, sepsis by simulation.

`python -m posology.experiments.studies.safety [--page docs/safety.md]`; needs the `icu-sepsis` package. Results are
kept as JSON beside the figures; what is already there is not computed again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...contracts import Clinician, PatientState, Treatment
from ...envs import treatment
from ...envs.change_limit import StepLimit
from ...envs.constraints import DoseLimit
from ...envs.course_limit import CourseLimit
from ...envs.shield import shield
from ...envs.state_rules import StateRule, festor_rules, icu_sepsis_rules
from ...evaluation.safety import rates_of_counts, violation_counts
from ...evaluation.true_value import mean_interval
from ...patient_models.icu_sepsis import icu_sepsis, shipped
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician
from ...patient_models.icu_sepsis_spec import SPEC
from ...patient_models.sepsis_clinician import SepsisClinician
from ...patient_models.sepsis_protocols import ObservableRule
from ...patient_models.tabular import Tabular
from ...patient_models.tabular_fit import count_transitions, fit_tabular
from ...patient_models.tabular_solve import chain, solve_values
from ...patient_models.tabular_values import optimal, policy_value, random_probs
from ...trajectories.levels import dose_of_action, levels_of_action
from ...trajectories.rollout import Rollout, rollout
from ..stages import write_text
from .icu_sepsis import numbered_stays
from .safety_figures import draw_frontiers
from .safety_page import page

PATIENTS, SEED = 2000, 3 * 10**11
LOGGED, VISITS = 5000, (0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 10**9)
SUPPORT = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
NOREPINEPHRINE = (0.0, 0.03, 0.07, 0.14, 0.2, 0.3)  # ug/kg/min


class Reckless:
    """A clinician who gives nothing a quarter of the time, and the most of both a quarter of the time."""

    noise_dim = 1

    def __init__(self, core: Treatment) -> None:
        self.core = core

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        action = (torch.special.ndtr(noise[:, 0]) * 49 - 12).long().clamp(0, 24)
        return self.core.decode(state, action)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        action = self.core.encode(state, dose)
        return torch.where((action == 0) | (action == 24), 13 / 49, 1 / 49).log()


def forbidden_by(rules: tuple[StateRule, ...], patient: Tabular) -> Tensor:
    """Which actions each rule forbids in each state (J, S, A) bool."""
    zero = torch.zeros(patient.states, 1)
    state = patient.admit(None, zero).replace(vitals=patient.values)
    doses = dose_of_action(SPEC, torch.arange(SPEC.actions))
    hours = torch.full((patient.states,), patient.fixed_hours)
    columns = [
        torch.stack([~rule.permits(state, dose.expand(patient.states, -1), hours) for dose in doses], 1)
        for rule in rules
    ]
    return torch.stack(columns)


def share_of_decisions(patient: Tabular, probs: Tensor, which: Tensor) -> float:
    """Share of a policy's decisions (S, A) that are among `which` (S, A) bool: expected counts over all stays."""
    each = (probs * which).sum(1)
    moves, ends = chain(patient.transition, probs), torch.zeros(2, dtype=torch.float64)
    broken, all_of_them = (
        patient.start @ solve_values(moves, ends, gained) for gained in (each, torch.ones_like(each))
    )
    return float(broken / all_of_them)


def exact_rules() -> list[dict[str, Any]]:
    """ICU-Sepsis with every action possible: who breaks which rule how often, and the price of keeping all of them."""
    patient = icu_sepsis("mean")
    rules = icu_sepsis_rules(SPEC)
    forbidden = forbidden_by(rules, patient)
    kept = dataclasses.replace(patient, admissible=~forbidden.any(0))
    policies = {
        "Published expert": shipped().expert,
        "Random doses": random_probs(patient),
        "Optimal, unconstrained": optimal(patient)[1],
        "Optimal under the rules": optimal(kept)[1],
        "Random doses under the rules": random_probs(kept),
    }
    return [
        {
            "policy": name,
            "value": policy_value(patient, table),
            "broken": {r.name: share_of_decisions(patient, table, f) for r, f in zip(rules, forbidden, strict=True)},
        }
        for name, table in policies.items()
    ]


def support_frontier() -> list[dict[str, float]]:
    """The best value of policies that only do what clinicians do with at least some probability, exactly."""
    patient = icu_sepsis()
    propensity = ICUSepsisClinician(0.0).table
    likeliest = propensity == propensity.max(1, keepdim=True).values
    rows = []
    for least in SUPPORT:
        supported = patient.admissible & ((propensity >= least) | likeliest)
        value, _ = optimal(dataclasses.replace(patient, admissible=supported))
        rows.append({"least": least, "value": value, "choices": float(supported.sum(1).double().mean())})
    return rows


def deferral_frontier() -> list[dict[str, float]]:
    """Value where decisions are handed back to the clinician that rest on few logged visits, exactly, by prior."""
    truth, logged = icu_sepsis(numbered=True), numbered_stays("forbidden", LOGGED, SEED)
    visits = count_transitions(truth, logged)[0].sum(2)
    clinician = ICUSepsisClinician(0.0).table
    rows = []
    for prior in (0.0, 10.0):
        policy = optimal(fit_tabular(truth, logged, prior=prior))[1]
        seen = (visits * policy).sum(1)
        for least in VISITS:
            deferred = (seen < least)[:, None]
            table = torch.where(deferred, clinician, policy)
            share = share_of_decisions(truth, table, deferred.expand_as(table))
            value = policy_value(truth, table)
            rows.append({"prior": prior, "visits": least, "share": share, "value": value})
    return rows


def level_frontier() -> list[dict[str, float]]:
    """The best value where a drug's levels end earlier, by drug and level, exactly."""
    patient = icu_sepsis("mean")
    levels = levels_of_action(SPEC, torch.arange(SPEC.actions))
    rows = []
    for column, drug in enumerate(SPEC.drugs):
        for highest in range(len(drug.levels)):
            allowed = (levels[:, column] <= highest).expand_as(patient.admissible)
            value, _ = optimal(dataclasses.replace(patient, admissible=allowed.clone()))
            rows.append({"drug": float(column), "highest": float(highest), "value": value})
    return rows


def simulated_icu() -> list[dict[str, Any]]:
    """The reckless clinician in ICU-Sepsis, free and shielded."""
    core = treatment("posology/ICUSepsis-v0", inadmissible="mean")
    reckless: Clinician = Reckless(core)
    return both(core, shield(core, icu_sepsis_rules(core.spec)), {"Reckless": reckless})


def simulated_sepsis() -> list[dict[str, Any]]:
    """Three clinicians in sepsis, free and shielded."""
    core = treatment("posology/Sepsis-v0")
    actors: dict[str, Clinician] = {
        "Clinician": SepsisClinician(),
        "Observable rule": ObservableRule(),
        "Reckless": Reckless(core),
    }
    return both(core, shield(core, sepsis_rules(core)), actors)


def sepsis_rules(core: Treatment) -> tuple[Any, ...]:
    """Festor's rules A and B, norepinephrine by at most .1 ug/kg/min per 4 h, at most 10 L of fluid."""
    fluid, vaso = core.spec.drug("fluid"), core.spec.drug("norepinephrine")
    return (
        *festor_rules(core.spec),
        StepLimit("change of norepinephrine", vaso, 0.1, "ug/kg/min"),
        CourseLimit("fluid in all", fluid, 10.0, "L", 1000.0),
    )


def norepinephrine_frontier() -> list[dict[str, float]]:
    """Survival under the observable rule where norepinephrine is limited and the limit is executed."""
    core = treatment("posology/Sepsis-v0")
    rows = []
    for limit in NOREPINEPHRINE:
        rule = DoseLimit("norepinephrine", core.spec.drug("norepinephrine"), limit, "ug/kg/min")
        done = rollout(shield(core, (rule,), states=1000), ObservableRule(), PATIENTS, seed=SEED)
        low, high = mean_interval(done.returns.double().numpy())
        rows.append({"limit": limit, "value": float(done.returns.mean()), "low": low, "high": high})
    return rows


def both(core: Treatment, guarded: Treatment, actors: dict[str, Clinician]) -> list[dict[str, Any]]:
    """Each actor on the same patients, without and with the shield."""
    rows = []
    for name, actor in actors.items():
        free = rollout(core, actor, PATIENTS, seed=SEED)
        kept = rollout(guarded, actor, PATIENTS, seed=SEED)
        gap = (kept.returns - free.returns).double().numpy()
        rows.append(
            {
                "actor": name,
                "free": float(free.returns.mean()),
                "shielded": float(kept.returns.mean()),
                "price": [float(-gap.mean()), *sorted(-end for end in mean_interval(gap))],
                "attempted": _rates(kept, kept.attempted, guarded),
                "executed": _rates(kept, kept.costs, guarded),
                "changed": _changed(kept),
            }
        )
    return rows


def _rates(done: Rollout, costs: Tensor | None, guarded: Treatment) -> dict[str, list[float]]:
    assert costs is not None
    counts = violation_counts(costs, done.decisions.mask)
    return {n: [r.rate, r.low, r.high] for n, r in rates_of_counts(*counts, guarded.constraints).items()}


def _changed(done: Rollout) -> float:
    assert done.intended is not None
    differs = (done.intended - done.trajectories.dose).abs().amax(2) > 1e-6
    return float(differs[done.decisions.mask].float().mean())


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/safety.md"),
    figures: Annotated[Path, typer.Option(help="Folder of the figure and the results.")] = Path("docs/figures"),
) -> None:
    """Compute what is missing and write the page with its figure."""
    torch.set_num_threads(1)
    store = figures / "safety.json"
    parts: dict[str, Callable[[], Any]] = {
        "rules": exact_rules,
        "support": support_frontier,
        "levels": level_frontier,
        "deferral": deferral_frontier,
        "icu": simulated_icu,
        "sepsis": simulated_sepsis,
        "norepinephrine": norepinephrine_frontier,
    }
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    for name, compute in parts.items():
        if name not in found:
            found[name] = compute()
            figures.mkdir(parents=True, exist_ok=True)
            write_text(store, json.dumps(found, indent=1) + "\n")
    draw_frontiers(figures / "safety_frontiers.png", found)
    page_path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page_path, page(found, PATIENTS))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
