"""Every learner is killed (SIGKILL) in the middle of its own stage and taken up again, to the same policy.

    python -m posology.experiments.studies.kill_learners

One small run per learner in the simulator, the first with every agent that learns from records. For each learner, the
unbroken run is copied without that learner's stage and without the evaluation, started, killed at a seeded random
moment within the stage (of those that write checkpoints, after the first one), and started again. Compared are the
policy's files, byte by byte, and all numbers of the report. Results go to docs/results/learners_killed.json; what is
there already is not done again. The page is written by `python -m posology.experiments.studies.kill_page`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...trajectories.checkpoint import FOLDER as CHECKPOINTS
from ..stages import receipt, unfinished, write_text
from .kill import finish, folder_in, killed, numbers

RESULTS = Path("docs/results/learners_killed.json")
SMALL = (
    "cohort.patients=240",
    "simulator.epochs=4",
    "simulator.members=2",
    "simulator.hidden=8",
    "ppo.steps=24576",
    "ppo.environments=64",
    "ppo.penalties=[1.0]",
    "blends=[0.1]",
    "evaluation.draws=100",
    "evaluation.simulator_stays=100",
    "evaluation.true_stays=100",
)
OFFLINE = ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q", "td3_bc")
STARTING_OVER = ("ppo_", "maskable_ppo_", "dqn_", "sac_")  # stages of Stable-Baselines3
_TRIES = 6  # moments tried until one falls within the stage
RUNS: dict[str, tuple[str, ...]] = {  # learner in the simulator -> the stages that are killed in its run
    "masked_ppo": ("simulator", "behavior", "imitation", "masked_ppo_1", *(f"offline_{name}" for name in OFFLINE)),
    "ppo": ("ppo_1",),
    "maskable_ppo": ("maskable_ppo_1",),
    "dqn": ("dqn_1",),
    "sac": ("sac_1",),
}


def overrides_of(learner: str) -> list[str]:
    """Settings of the run in which a learner is killed."""
    offline = OFFLINE if learner == "masked_ppo" else ()
    return [*SMALL, f"learner={learner}", f"offline=[{', '.join(offline)}]"]


def kill_stage(
    config: str, overrides: Sequence[str], whole: Path, stage: str, *, work: Path, chance: random.Random
) -> dict[str, Any]:
    """Kill a copy of the run in `whole` within `stage`, take it up again, compare. RuntimeError where no try hits."""
    truth, seconds = folder_in(whole), (receipt(folder_in(whole) / stage) or {})["seconds"]
    keeps = not stage.startswith(STARTING_OVER)
    for _ in range(_TRIES):
        moment = chance.uniform(*((0.0, 0.6) if keeps else (0.1, 0.9))) * seconds
        _without(whole, work, stage)
        folder = folder_in(work)
        states = killed(config, overrides, work, _Within(unfinished(folder, stage), moment, keeps))
        if states is None or states.get(stage) != "interrupted":
            continue
        kept = list((unfinished(folder, stage) / CHECKPOINTS).glob("*.safetensors"))
        finish(config, overrides, work)
        found = {
            "stage": stage,
            "seconds": seconds,
            "moment": round(moment, 2),
            "goes_on_from": "its checkpoint" if kept else "its start",
            "same_files": files_of(folder / stage) == files_of(truth / stage),
            "same_numbers": numbers(folder) == numbers(truth),
        }
        shutil.rmtree(work)
        return found
    raise RuntimeError(f"{stage}: none of {_TRIES} kills fell within its {seconds:.1f} s; make the stage longer")


class _Within:
    """True from `moment` seconds after a stage's unfinished folder appears, or the first checkpoint in it."""

    def __init__(self, folder: Path, moment: float, checkpoint: bool) -> None:
        self._folder, self._moment, self._checkpoint, self._began = folder, moment, checkpoint, 0.0

    def __call__(self) -> bool:
        kept = self._folder / CHECKPOINTS
        if not self._began and (any(kept.glob("*.safetensors")) if self._checkpoint else self._folder.is_dir()):
            self._began = time.monotonic()
        return bool(self._began) and time.monotonic() - self._began >= self._moment


def _without(whole: Path, work: Path, stage: str) -> None:
    """A copy of a run that lacks one stage and the evaluation."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work)
    for name in (stage, "evaluation"):
        shutil.rmtree(folder_in(work) / name)


def files_of(folder: Path) -> dict[str, str]:
    """A hash of every file that a stage left, but of the receipt, which tells seconds."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "stage.json")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def study(config: str, learners: Sequence[str], *, seed: int, results: Path, work: Path) -> dict[str, Any]:
    """Kill every stage of every learner's run; what is in `results` is not done again."""
    settings = {"config": config, "overrides": list(SMALL), "seed": seed}
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    if {name: found.get(name) for name in settings} != settings:
        found = {**settings, "kills": []}
    done = {kill["stage"] for kill in found["kills"]}
    for learner in learners:
        waiting = [stage for stage in RUNS[learner] if stage not in done]
        if not waiting:
            continue
        whole, overrides = work / learner, overrides_of(learner)
        finish(config, overrides, whole)
        for stage in waiting:
            chance = random.Random(f"{seed} {stage}")
            kill = kill_stage(config, overrides, whole, stage, work=work / "killed", chance=chance)
            found["kills"].append(kill)
            results.parent.mkdir(parents=True, exist_ok=True)
            write_text(results, json.dumps(found, indent=1) + "\n")
    return found


def section(found: Mapping[str, Any]) -> str:
    """The results in Markdown."""
    same = sum(kill["same_files"] and kill["same_numbers"] for kill in found["kills"])
    lines = [
        "## Every learner killed within its stage",
        "",
        f"The `{found['config']}` run made small (`{' '.join(found['overrides'])}`), once with every learner, by",
        "",
        "```",
        "python -m posology.experiments.studies.kill_learners",
        "```",
        "",
        f"Of {len(found['kills'])} stages, each SIGKILLed once at a random moment of its work and taken up again, "
        f"{same} ended with the very files (policy or model, byte by byte) and report numbers of the unbroken run.",
        "",
        "| stage | takes, s | killed after, s | goes on from | same files | same report |",
        "|---|---|---|---|---|---|",
    ]
    for k in found["kills"]:
        marks = ["yes" if k[name] else "NO" for name in ("same_files", "same_numbers")]
        lines.append(
            f"| {k['stage']} | {k['seconds']:.1f} | {k['moment']:.1f} | {k['goes_on_from']} | {marks[0]} | {marks[1]} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """The study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--learners", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path("runs/kill_learners"), help="folder for the runs")
    given = parser.parse_args()
    found = study(given.config, given.learners, seed=given.seed, results=given.results, work=given.work)
    same = sum(kill["same_files"] and kill["same_numbers"] for kill in found["kills"])
    sys.stdout.write(f"same policies and numbers after {same} of {len(found['kills'])} kills\n")


if __name__ == "__main__":
    main()
