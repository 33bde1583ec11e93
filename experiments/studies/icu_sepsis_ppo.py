"""PPO on ICU-Sepsis, where what a policy is worth is exact: the true value along training, three seeds.

`python -m posology.experiments.studies.icu_sepsis_ppo [--page docs/online_agents.md]`; needs the `icu-sepsis` package.
Numbers are kept as JSON beside the figure, and unfinished training as a checkpoint; what is there is not done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.sb3 import PPOConfig, fit_ppo
from ...contracts import DiscretePolicy, Policy
from ...envs import sb3_env, treatment
from ...envs.icu_sepsis import observe_values
from ...patient_models.icu_sepsis import icu_sepsis
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician
from ...patient_models.tabular_values import deterministic, optimal, policy_value, random_probs, table_of
from ...trajectories.checkpoint import Checkpoint
from ..stages import write_text

SEEDS = (1, 2, 3)
POINTS = 25  # of a learning curve, beside the last
OWN = MaskedPPOConfig(
    steps=5_000_000,
    beds=1024,
    rollout=8,
    minibatches=8,
    learning_rate=0.03,
    hidden=(),  # a logit and a value of each state: nothing to share between states that are only numbers
    gae_lambda=0.95,
    entropy=0.001,
)
SB3 = PPOConfig(
    steps=500_000, rollout=8, minibatches=8, learning_rate=0.03, hidden=(), gae_lambda=0.95, entropy=0.001
)  # a tenth of the decisions
Found = dict[str, Any]


def worth(policy: Policy) -> tuple[float, float]:
    """Exact probability of leaving alive under a policy on states: as it draws, and by its most probable action."""
    patient = icu_sepsis()
    assert isinstance(policy, DiscretePolicy)
    table = table_of(icu_sepsis(numbered=True), policy, _observe)
    best = deterministic(patient, table.argmax(1))
    return policy_value(patient, table), policy_value(patient, best)


def _observe(values: Tensor) -> Tensor:
    return observe_values(icu_sepsis(numbered=True), values, "state")


class OutOfTimeError(Exception):
    """The call has used the CPU it was given; the next one goes on."""


def learned(seed: int, row: Found, keep: Callable[[], None], checkpoint: Checkpoint, limit: float) -> None:
    """Train on device; put the curve and the seconds of CPU into `row`, kept as they come.

    OutOfTimeError once the process has used `limit` seconds.
    """
    frames = OWN.beds * OWN.rollout
    updates = -(-OWN.steps // frames)
    every, clock = max(1, updates // POINTS), [time.thread_time()]

    def watch(decisions: int, policy: Callable[[], Policy]) -> None:
        update = decisions // frames
        if update % every and update < updates:
            return
        spent = time.thread_time() - clock[0]
        sampled, best = worth(policy())
        curve = [point for point in row.get("curve", []) if point["decisions"] < decisions]
        row["curve"] = [*curve, {"decisions": decisions, "true": sampled, "best_action": best}]
        row["seconds"] = row.get("seconds", 0.0) + spent
        row["done"] = update >= updates
        keep()
        clock[0] = time.thread_time()
        if update < updates and time.process_time() > limit:
            raise OutOfTimeError

    core = treatment("posology/ICUSepsis-v0", observation="state")
    fit_masked_ppo(core, OWN, seed=seed, checkpoint=checkpoint, watch=watch)


def learned_by_sb3(seed: int, row: Found, keep: Callable[[], None]) -> None:
    """Train SB3's PPO in the batched environment; put its value at the end into `row`."""
    env = sb3_env(treatment("posology/ICUSepsis-v0", observation="state"), OWN.beds, seed=seed * 10**6)
    start = time.thread_time()
    policy = fit_ppo(env, SB3, seed=seed)
    seconds = time.thread_time() - start
    sampled, best = worth(policy)
    row |= {"curve": [{"decisions": SB3.steps, "true": sampled, "best_action": best}], "seconds": seconds, "done": True}
    keep()


def known() -> dict[str, float]:
    """What is known exactly."""
    patient = icu_sepsis()
    return {
        "clinician": policy_value(patient, ICUSepsisClinician(0.0).table),
        "random admissible doses": policy_value(patient, random_probs(patient)),
        "optimum": optimal(patient)[0],
    }


def page(found: Found) -> str:
    """The page in Markdown."""
    exact = found["known"]
    lines = [
        _HEAD,
        f"Known exactly: {', '.join(f'{name} {value:.4f}' for name, value in exact.items())}.",
        "",
        "![True value along training](figures/icu_sepsis_ppo.png)",
        "",
        "| agent | seed | decisions | true value | its most probable action | that is .86 after | CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, label in (("masked_ppo", "Masked PPO, on device"), ("sb3_ppo", "SB3 PPO, batched `VecEnv`")):
        for key, row in sorted(found["runs"].items()):
            if not key.startswith(name) or not row.get("done"):
                continue
            last = row["curve"][-1]
            reached = [p["decisions"] for p in row["curve"] if p["best_action"] >= 0.86]
            first = f"{reached[0] / 1e6:.1f} million" if reached else "–"
            cells = [label, key.split("/")[1], f"{last['decisions'] / 1e6:.1f} million", f"{last['true']:.4f}"]
            cells += [f"{last['best_action']:.4f}", first, f"{row['seconds']:.0f} s"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _TAIL])


_HEAD = """# Agents that learn in the environment, where the truth is known

Made by `python -m posology.experiments.studies.icu_sepsis_ppo`, which keeps its numbers in
`docs/figures/icu_sepsis_ppo.json`.

ICU-Sepsis (see [patients/icu_sepsis.md](patients/icu_sepsis.md)) with its 713 states in view as one column each and
inadmissible actions masked. A policy on states has an exact value, the probability of leaving alive, by dynamic
programming: here of the policy as it draws, and of its most probable action in every state. CPU is that of training
alone, on one thread.
"""

_TAIL = """Every seed learns by the same settings, chosen among five by the true value of seed 1 or 2 after at most 3
million decisions. The most probable action passes .86 within minutes for every seed; the policy as it draws keeps some
of its chance to the end and stays a little below. SB3's PPO was given a tenth of the decisions, without masks: its line
is no comparison at equal length. Offline agents on the same patients: [offline_agents.md](offline_agents.md).
"""


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/online_agents.md"),
    figures: Annotated[Path, typer.Option(help="Folder of the results and the figure.")] = Path("docs/figures"),
    work: Annotated[Path, typer.Option(help="Folder of unfinished training.")] = Path("runs/icu_sepsis_ppo"),
    seeds: Annotated[int, typer.Option(min=0, max=len(SEEDS), help="How many; 0: the page from what is there.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of CPU after which to stop; the next call goes on.")] = float("inf"),
) -> None:
    """Train what is missing, draw the curves and write the page."""
    torch.set_num_threads(1)
    store = figures / "icu_sepsis_ppo.json"
    found: Found = json.loads(store.read_text("utf-8")) if store.is_file() else {"known": known(), "runs": {}}
    found["settings"] = {"masked_ppo": asdict(OWN), "sb3_ppo": asdict(SB3)}
    figures.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        write_text(store, json.dumps(found, indent=1) + "\n")

    try:
        for seed in SEEDS[:seeds]:
            row = found["runs"].setdefault(f"masked_ppo/{seed}", {})
            if not row.get("done"):
                learned(seed, row, keep, Checkpoint.within(work, f"seed_{seed}"), seconds)
        for seed in SEEDS[: min(seeds, 1)]:
            row = found["runs"].setdefault(f"sb3_ppo/{seed}", {})
            if not row.get("done") and time.process_time() < seconds:
                learned_by_sb3(seed, row, keep)
    except OutOfTimeError:
        typer.echo("out of time: call again to go on")
    from .agents_figures import draw_learning  # matplotlib takes a second

    draw_learning(figures / "icu_sepsis_ppo.png", found)
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
