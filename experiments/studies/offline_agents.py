"""Agents that learn from records, on ICU-Sepsis, where their true value is exact: beside planning in a counted model.

`python -m posology.experiments.studies.offline_agents [--page docs/offline_agents.md]`; needs the `icu-sepsis` package.
Settings are the agents' own defaults, the same at every size; nothing is chosen by the truth. Results are kept as JSON
beside the page; what is already there is not computed again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from ...agents.batch_constrained import SupportedPolicy
from ...agents.greedy import GreedyPolicy
from ...agents.records import LoggedData
from ...agents.table import LABELS, agent, parameter_type
from ...contracts import Decisions, DiscretePolicy, Trajectories
from ...envs import decisions
from ...envs.dose_treatment import DoseTreatment
from ...envs.icu_sepsis import observe_values
from ...patient_models.icu_sepsis import icu_sepsis
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician
from ...patient_models.icu_sepsis_spec import HOURS
from ...patient_models.tabular_fit import fit_tabular
from ...patient_models.tabular_values import optimal, policy_value, random_probs, table_of
from ...trajectories.rollout import rollout
from ..stages import write_text

AGENTS = ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q")
SIZES, SEEDS = (5000, 20_000), 3
TUNING = 0.15  # of the stays
ROWS = {
    **{name: LABELS[name] for name in AGENTS},
    "planning": "Planning in the counted model",
    "planning_prior": "Planning, 10 visits of the state's mean added",
}


def learned(name: str, stays: Decisions, seed: int) -> dict[str, Any]:
    """What an agent truly gets, what its values claim where it has any."""
    patient = icu_sepsis()
    size = len(stays)
    cut = round(size * (1 - TUNING))
    data = LoggedData(stays.rows(torch.arange(cut)), stays.rows(torch.arange(cut, size)))
    fit = agent(name)
    policy = fit(data, parameter_type(fit, "config")(actions=patient.spec.actions), seed=seed)
    table = table_of(patient, policy, _observe)
    return {"true": policy_value(patient, table), "claimed": _claim(policy, table)}


def measured(numbered: Decisions, stays: Trajectories) -> Decisions:
    """The same decisions with the 47 measurements of each state in view, and its admissible actions."""
    patient = icu_sepsis()
    number = stays.vitals[:, :, 0].long()
    return numbered.replace(obs=_observe(patient.values)[number], allowed=patient.admissible[number])


def planned(stays: Trajectories, prior: float) -> dict[str, Any]:
    """What the best policy of a counted model claims and truly gets."""
    claimed, table = optimal(fit_tabular(icu_sepsis(numbered=True), stays, prior=prior))
    return {"true": policy_value(icu_sepsis(), table), "claimed": claimed}


def _observe(values: Tensor) -> Tensor:
    return observe_values(icu_sepsis(), values, "features")


def _claim(policy: DiscretePolicy, table: Tensor) -> float | None:
    """Value that the agent's own network gives its choices at admission."""
    network = {GreedyPolicy: "network", SupportedPolicy: "values"}.get(type(policy))
    if network is None:
        return None
    values = getattr(policy, network)(_observe(icu_sepsis().values)).double()
    return float(icu_sepsis().start @ (values * table).sum(1))


def results(seed: int, store: Path, found: dict[str, Any]) -> None:
    """Every agent at every size on one cohort, kept in `store` one by one."""
    patient = icu_sepsis(numbered=True)
    core = DoseTreatment(patient, horizon=50, interval_hours=HOURS)
    actor = ICUSepsisClinician(0.0, patient=patient)
    everyone = rollout(core, actor, max(SIZES), seed=10**9 + seed * 10**6).trajectories
    for size in SIZES:
        stays = everyone.rows(torch.arange(size))
        logged: Decisions | None = None
        for name in (*AGENTS, "planning", "planning_prior"):
            key = f"{name}/{size}/{seed}"
            if key in found:
                continue
            if name.startswith("planning"):
                found[key] = planned(stays, 10.0 if name.endswith("prior") else 0.0)
            else:
                logged = measured(decisions(core, stays), stays) if logged is None else logged
                found[key] = learned(name, logged, seed)
            store.parent.mkdir(parents=True, exist_ok=True)
            write_text(store, json.dumps(found, indent=1) + "\n")


def page(found: dict[str, Any]) -> str:
    """The table in Markdown."""
    patient = icu_sepsis()
    clinician = policy_value(patient, ICUSepsisClinician(0.0).table)
    known = [
        f"clinician {clinician:.4f}",
        f"random admissible doses {policy_value(patient, random_probs(patient)):.4f}",
        f"optimum {optimal(patient)[0]:.4f}",
    ]
    lines = [
        _HEAD,
        f"Known exactly: {', '.join(known)}.",
        "",
        "| agent | stays | cohorts | truly gets | claims |",
        "|---|---|---|---|---|",
    ]
    for name, label in ROWS.items():
        for size in SIZES:
            some = [found[key] for seed in range(SEEDS) if (key := f"{name}/{size}/{seed}") in found]
            if not some:
                continue
            claims = [row["claimed"] for row in some if row["claimed"] is not None]
            shown = _spread(claims) if claims else "–"
            lines.append(f"| {label} | {size:,} | {len(some)} | {_spread([row['true'] for row in some])} | {shown} |")
    return "\n".join([*lines, "", _TAIL])


_HEAD = """# Agents that learn from records, where the truth is known

Made by `python -m posology.experiments.studies.offline_agents`, which keeps its numbers in
`docs/figures/offline_agents.json`.

Stays of ICU-Sepsis (see [patients/icu_sepsis.md](patients/icu_sepsis.md)) under its clinician; agents see the 47
measurements, learn with their default settings on 85 % of the stays and stop by their stated criterion on the rest.
Every policy depends on the state alone, so its true value, the probability of leaving alive, is exact. Means over the
cohorts, the smallest and greatest in brackets. A claim is what an agent's own values promise for its choices at
admission.
"""

_TAIL = """Random doses are as good as the clinician here, so imitation gains nothing, and what an agent adds to .78 is
what it has learned about states and doses. No agent is chosen or tuned by these numbers.
"""


def _spread(values: list[float]) -> str:
    some = np.array(values)
    return f"{some.mean():.3f} [{some.min():.3f}, {some.max():.3f}]"


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path(
        "docs/offline_agents.md"
    ),
    figures: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("docs/figures"),
    cohorts: Annotated[int, typer.Option(min=0, max=SEEDS, help="How many; 0: the page from what is there.")] = SEEDS,
) -> None:
    """Compute what is missing and write the page."""
    torch.set_num_threads(1)
    store = figures / "offline_agents.json"
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    for seed in range(cohorts):
        results(seed, store, found)
    page_path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
