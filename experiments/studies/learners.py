"""Every learner of a run on the same patients and simulator: what it costs, claims and is truly worth.

    python -m posology.experiments.studies.learners --learners ppo masked_ppo --seeds 3

The simulator, the fitted clinician and its imitation are those of the config's run, made where they are missing; each
learner then trains with every seed, those in the simulator under one penalty. Results go to docs/results/learners.json
and the page docs/learners.md; what is already there is not trained again. Seconds are of CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ...agents.support import unsupported_share
from ...agents.table import LABELS
from ...contracts import Policy, Treatment
from ...evaluation.true_value import rollout_value
from ..choice import Grounds
from ..config import ExperimentConfig, load_config
from ..ensembles import simulator_of
from ..judged import Actor
from ..learners import action_of, acts_by, learned_in, learned_offline, levelled
from ..learning import grounds
from ..plan import plan_of
from ..reading import Cohort, read_cohort
from ..runner import FIRST_SIMULATED, FIRST_TRAINING, Known, known_truth
from ..stages import Run, write_text

DOCS = Path("docs")
ONLINE = ("ppo", "masked_ppo", "maskable_ppo", "dqn", "sac")
OFFLINE = ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q", "td3_bc")
CLAIMED, TRUE = 4000, 10_000  # patients on whom a policy is valued in the simulator and in the truth


def study(
    config: ExperimentConfig, learners: list[str], *, seeds: int, penalty: float, out: Path, results: Path
) -> dict[str, Any]:
    """Train and value every learner with every seed; what `results` holds already is not done again."""
    run = Run(out / f"{config.name}-{config.hash}", plan_of(config), Console(stderr=True))
    with run.locked():
        cohort = read_cohort(config, run)
        known = grounds(config, run, cohort)
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    settings = {"config": config.name, "hash": config.hash, "penalty": penalty, "steps": config.ppo.steps}
    if found.get("settings") != settings:
        found = {"settings": settings, "references": _references(config, known), "trained": {}}
    for name in learners:
        for seed in range(seeds):
            if f"{name}/{seed}" not in found["trained"]:
                found["trained"][f"{name}/{seed}"] = _one(name, seed, config, cohort, known, penalty)
                results.parent.mkdir(parents=True, exist_ok=True)
                write_text(results, json.dumps(found, indent=1) + "\n")
    return found


def _one(
    name: str, seed: int, config: ExperimentConfig, cohort: Cohort, known: Grounds, penalty: float
) -> dict[str, float]:
    """One training, in a run folder of its own, and what comes of it."""
    own = config.model_copy(update={"seed": seed} | ({"learner": name} if name in ONLINE else {"offline": (name,)}))
    own = own.model_copy(update={"ppo": config.ppo.model_copy(update={"penalties": (penalty,)})})
    pessimism = {"penalty": penalty} if name in ONLINE else {}
    fixed = simulator_of(config, cohort.task, known.patient, action=action_of(name), **pessimism)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), plan_of(own))
        began = time.process_time()
        if name in ONLINE:
            first = FIRST_TRAINING + seed * 10**9
            policy = learned_in(fixed, own, run, known.start, penalty=penalty, first_seed=first)
        else:
            policy = learned_offline(name, own, run, fixed, cohort)
        seconds = time.process_time() - began
    return {"seconds": seconds, **_values(config, policy, known, cohort)}


def _values(config: ExperimentConfig, policy: Policy, known: Grounds, cohort: Cohort) -> dict[str, float]:
    """What a policy claims, what it is worth, and how far it leaves what clinicians do on tuning patients."""
    simulator = simulator_of(config, cohort.task, known.patient, action=acts_by(policy))
    truth, seed = _truth(config, policy), FIRST_SIMULATED + config.seed * 10**9
    return {
        "claimed": rollout_value(simulator, policy, CLAIMED, seed).value,
        "true": rollout_value(truth, policy, TRUE, seed).value,
        "unsupported": unsupported_share(known.logged.tuning, levelled(policy, simulator.spec), known.behavior),
    }


def _known(config: ExperimentConfig) -> Known:
    known = known_truth(config.model_copy(update={"offline": ("td3_bc",)}))  # with the treatment of continuous doses
    if known is None:
        raise ValueError(f"{config.name}: expected a simulated cohort, for whose patients the truth is known")
    return known


def _truth(config: ExperimentConfig, policy: Policy) -> Treatment:
    known = _known(config)
    return known.doses if known.doses is not None and acts_by(policy) == "continuous" else known.treatment


def _references(config: ExperimentConfig, known: Grounds) -> dict[str, float]:
    """True values of the clinicians, of the fitted clinician and of its imitation, where learners start."""
    truth, seed = _known(config), FIRST_SIMULATED + config.seed * 10**9
    actors: dict[str, Actor] = {
        "clinicians": truth.clinician,
        "fitted clinician": known.behavior,
        "its imitation": known.start,
    }
    return {name: rollout_value(truth.treatment, actor, TRUE, seed).value for name, actor in actors.items()}


def write_page(found: Mapping[str, Any], docs: Path = DOCS) -> Path:
    """Write docs/learners.md from the results."""
    settings, trained = found["settings"], found["trained"]
    known = ", ".join(f"{name} {value:.4f}" for name, value in found["references"].items())
    lines = [
        _HEAD.format(**settings, commands="\n".join(_commands(settings["penalty"], trained))),
        f"True values beside them: {known}.",
        "",
        "| learner | learns in | seeds | CPU seconds | claimed | true | true, worst to best | unsupported |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (*ONLINE, *OFFLINE):
        rows = [row for key, row in trained.items() if key.startswith(f"{name}/")]
        if rows:
            lines.append(_row(name, rows))
    write_text(docs / "learners.md", "\n".join([*lines, "", *_verdict(trained)]))
    return docs / "learners.md"


def _commands(penalty: float, trained: Mapping[str, Any]) -> list[str]:
    """What was run: learners by their number of seeds."""
    seeds = {name: sum(key.startswith(f"{name}/") for key in trained) for name in (*ONLINE, *OFFLINE)}
    grouped = {n: [name for name in seeds if seeds[name] == n] for n in sorted({*seeds.values()} - {0}, reverse=True)}
    stem = f"python -m posology.experiments.studies.learners --penalty {penalty:g}"
    return [f"{stem} --seeds {n} --learners {' '.join(names)}" for n, names in grouped.items()]


def _verdict(trained: Mapping[str, Any]) -> list[str]:
    """The default learner against our own, in numbers."""
    pairs = {
        name: [row for key, row in trained.items() if key.startswith(f"{name}/")] for name in ("ppo", "masked_ppo")
    }
    if not all(len(rows) > 1 for rows in pairs.values()):
        return []
    true = {name: np.array([row["true"] for row in rows]) for name, rows in pairs.items()}
    seconds = {name: np.mean([row["seconds"] for row in rows]) for name, rows in pairs.items()}
    gap = true["ppo"].mean() - true["masked_ppo"].mean()
    error = np.sqrt(sum(values.var(ddof=1) / len(values) for values in true.values()))
    return [
        f"PPO of Stable-Baselines3 less masked PPO: {gap:+.4f} of true value (standard error {error:.4f} over seeds), "
        f"for {seconds['ppo'] / seconds['masked_ppo']:.1f} times the CPU time. PPO is the default of a run as long as "
        "that difference is not against it; `learner: masked_ppo` goes on from its checkpoint after a kill, where PPO "
        "starts over.",
        "",
    ]


def _row(name: str, rows: list[dict[str, float]]) -> str:
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    true = [row["true"] for row in rows]
    where = "the simulator" if name in ONLINE else "the records"
    return (
        f"| {LABELS[name]} (`{name}`) | {where} | {len(rows)} | {mean['seconds']:.0f} | {mean['claimed']:.4f} "
        f"| {mean['true']:.4f} | {min(true):.4f} to {max(true):.4f} | {mean['unsupported']:.1%} |"
    )


_HEAD = """# Learners side by side

Every learner that a run's config can name, on the patients and the learned simulator of the `{config}` run
(configuration {hash}). Those in the simulator train on {steps:,} decisions under a penalty of {penalty:g} on all of the
ensemble's disagreement, nothing of it spared: equal ground, and not the penalty that a run would choose. PPO and its
masked kin start from the imitated clinician, DQN and SAC from nothing. Claimed: survival in the simulator; true: in the
patients' own dynamics, both on the same simulated patients for everyone. Unsupported: share of its probability on
doses that the fitted clinician gives less than 1 % of the time, on tuning patients. By

```
{commands}
```
"""


def main() -> None:
    """The study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings to change: key.path=value ...")
    parser.add_argument("--config", default="demo")
    parser.add_argument("--learners", nargs="+", default=[*ONLINE, *OFFLINE], choices=[*ONLINE, *OFFLINE])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--penalty", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=DOCS / "results" / "learners.json")
    given = parser.parse_args()
    config = load_config(given.config, given.overrides)
    found = study(
        config, given.learners, seeds=given.seeds, penalty=given.penalty, out=given.out, results=given.results
    )
    sys.stdout.write(f"{write_page(found, given.results.parent.parent)}\n")


if __name__ == "__main__":
    main()
