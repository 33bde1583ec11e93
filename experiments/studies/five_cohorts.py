"""Five cohorts of 5,000 septic stays: what a policy is truly worth whose penalty is chosen from the records alone.

    python -m posology.experiments.studies.five_cohorts [--cohorts 5] [--work runs/five_cohorts] [--docs docs]

On each cohort: an ensemble, a second one, the fitted clinician, and PPO under each penalty, as runs have them by
default. The truth is looked at after the choice. What the results hold already is not computed again; a block of
`pessimism.md` tells them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.network import NetworkPolicy
from ...agents.save import load_policy, save_policy
from ...agents.selection import Candidate, rule, select
from ...agents.sharpened import sharpened
from ...agents.support import unsupported_share
from ...contracts import DIED
from ...evaluation.true_value import rollout_value
from ...patient_models.usual_disagreement import usual_disagreement
from ..config import PPOConfig
from ..stages import write_text
from .logged_cohorts import JUDGED, SEPSIS, Ground, ground
from .patient_pages import put_block

DEFAULT = PPOConfig()
PENALTIES = (0.0, *DEFAULT.penalties)
CLAIMED, TRUE = 4096, 10_000  # patients
COMMAND = "python -m posology.experiments.studies.five_cohorts"
TARGET, PROTOCOL, ORACLE = 0.115, 0.126, 0.099  # mortality: aimed at, best uniform protocol, PPO in the truth


def measured(known: Ground, policy: NetworkPolicy) -> dict[str, float]:
    """Mortality as its own simulator and the second one have it, support, and the truth."""
    return {
        "unsupported": unsupported_share(known.logged.tuning, policy, known.behavior),
        "claimed": 1 - rollout_value(known.simulator(), policy, CLAIMED, JUDGED).value,
        "second": 1 - known.checked(policy, CLAIMED),
        "true": 1 - rollout_value(known.world.truth(), policy, TRUE, JUDGED).value,
    }


def trained(known: Ground, penalty: float, place: Path) -> NetworkPolicy:
    """PPO from the imitated clinician on, under a penalty on what disagreement is beyond the usual."""
    if not place.is_dir():
        spared = usual_disagreement(known.patient, known.tuning, DEFAULT.spared)
        env = known.simulator(penalty=penalty, spared=spared)
        config = MaskedPPOConfig(steps=DEFAULT.steps, beds=DEFAULT.environments, first_seed=known.seed * 1000)
        save_policy(fit_masked_ppo(env, config, start=known.start, seed=known.seed), place)
    policy = load_policy(place)
    assert isinstance(policy, NetworkPolicy)
    return sharpened(policy, DEFAULT.sharpness)


def one(seed: int, work: Path) -> dict[str, Any]:
    """A cohort with every penalty, of which data chooses one."""
    known = ground(SEPSIS, seed, work)
    rows = []
    for penalty in PENALTIES:
        policy = trained(known, penalty, work / f"sepsis_{seed}" / f"penalty_{penalty:g}")
        rows.append({"penalty": penalty, **measured(known, policy)})
    candidates = [Candidate(r["penalty"], r["unsupported"], 1 - r["second"]) for r in rows[1:]]
    chosen = 1 + select(candidates, DEFAULT.unsupported_limit)
    logged = float((known.stays.outcome == DIED).double().mean())
    return {"logged": logged, "imitated": measured(known, known.start), "rows": rows, "chosen": chosen}


def lines(found: dict[str, Any]) -> list[str]:
    """The table in Markdown; mortality in percent."""
    cohorts = [found[name] for name in sorted(found, key=int)]
    text = [
        f"Mortality, %, of {SEPSIS.stays:,} logged stays a cohort ({SEPSIS.stays - SEPSIS.tuning:,} to learn from,",
        f"{SEPSIS.tuning:,} to stop early and to judge support); true: {TRUE:,} patients (standard error .3 points).",
        f"Chosen: {rule(DEFAULT.unsupported_limit, second=True)}.",
        "",
        "| cohort | logged | no penalty: its claim | second simulator | true | penalty chosen | its claim | second "
        "simulator | true | best of the penalties, by truth |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for number, cohort in enumerate(cohorts):
        free, chosen = cohort["rows"][0], cohort["rows"][cohort["chosen"]]
        best = min(row["true"] for row in cohort["rows"][1:])
        cells = [cohort["logged"], free["claimed"], free["second"], free["true"]]
        after = [chosen["claimed"], chosen["second"], chosen["true"], best]
        told = [*map(_percent, cells), f"{chosen['penalty']:g}", *map(_percent, after)]
        text.append(f"| {number} | {' | '.join(told)} |")
    return [*text, "", *_summary(cohorts)]


def _summary(cohorts: list[dict[str, Any]]) -> list[str]:
    chosen = [cohort["rows"][cohort["chosen"]] for cohort in cohorts]
    free = [cohort["rows"][0] for cohort in cohorts]
    true, freely = (np.array([row["true"] for row in rows]) for rows in (chosen, free))
    off = true - np.array([row["second"] for row in chosen])
    own = true - np.array([row["claimed"] for row in chosen])
    gap = freely - np.array([row["claimed"] for row in free])
    return [
        f"Mean true mortality of the chosen policies **{_percent(true.mean())} %** ({_percent(true.min())} to "
        f"{_percent(true.max())}); aimed at {_percent(TARGET)}, best uniform protocol {_percent(PROTOCOL)}, PPO in the",
        f"truth {_percent(ORACLE)}. Without a penalty {_percent(freely.mean())} %.",
        "",
        f"What is claimed falls short of the true mortality by {_percent(gap.mean())} points without care (own "
        f"simulator, no penalty), by {_percent(own.mean())} in the own",
        f"simulator with the penalty, and by **{_percent(off.mean())}** points ({_percent(off.min())} to "
        f"{_percent(off.max())}) in the second simulator, which is what a run claims by default.",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")


def main(
    cohorts: Annotated[int, typer.Option(min=0, help="How many; 0: the page from what is there.")] = 5,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    work: Annotated[Path, typer.Option(help="Where what was fitted is kept.")] = Path("runs/five_cohorts"),
    docs: Annotated[Path, typer.Option(help="Folder of the page and its results.")] = Path("docs"),
) -> None:
    """Measure the cohorts that are missing, and write the page's block."""
    torch.set_num_threads(1)
    store, page = docs / "results" / "five_cohorts.json", docs / "pessimism.md"
    store.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + cohorts):
        if str(seed) not in _read(store):
            found = one(seed, work)
            write_text(store, json.dumps({**_read(store), str(seed): found}, indent=1) + "\n")
            typer.echo(f"cohort {seed}: {found['rows'][found['chosen']]}")
    found = _read(store)
    if found:
        text = page.read_text("utf-8") if page.is_file() else "# Pessimism\n"
        write_text(page, put_block(text, "cohorts", "", "\n".join(lines(found)), command=COMMAND))


def _read(store: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    return found


if __name__ == "__main__":
    typer.run(main)
