"""The page on interruptions: `python -m posology.experiments.studies.kill_page`, from the results of the kill study."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..stages import write_text
from .kill_learners import RESULTS as LEARNERS
from .kill_learners import section as of_learners

DOCS = Path("docs")
COMMAND = "python -m posology.experiments.studies.kill"
_TEXT = """# Runs that go on

A run is a folder of stages. Every stage is keyed by its settings, its code and the stages that it reads, is written to
a temporary folder and moved when it is whole, and is reused as long as its key is unchanged. `posology status RUN`
lists the stages: done, stale (and what changed), running, interrupted (and from where it will go on), waiting. The
same `posology run` goes on; `--force` starts over; a second process in one run folder is refused.

What learns here writes a checkpoint as it goes (`trajectories/checkpoint.py`): network, optimiser, random generator
and the best epoch so far, bit by bit, so that an interrupted training ends with the very weights of an unbroken one.
These are the simulator, the fitted clinician and its imitation, masked PPO, and every agent that learns from the
records. Stages of Stable-Baselines3 (PPO, MaskablePPO, DQN, SAC) start over, and so does the evaluation. Whatever was
interrupted, the numbers of the report are the same. The curves of training in `logs/` are written over from where the
work goes on: a file holds one training.
"""


def write_page(docs: Path = DOCS) -> Path:
    """Write docs/interruptions.md from docs/results/kill*.json; FileNotFoundError where there is none."""
    found = sorted((docs / "results").glob("kill*.json"))
    if not found:
        raise FileNotFoundError(f"expected {docs / 'results'}/kill*.json: run `{COMMAND}` first")
    parts = [_TEXT, "## Killed at random moments\n"]
    parts += [_section(path, json.loads(path.read_text(encoding="utf-8"))) for path in found]
    learners = docs / "results" / LEARNERS.name
    if learners.is_file():
        parts.append(of_learners(json.loads(learners.read_text(encoding="utf-8"))))
    write_text(docs / "interruptions.md", "\n".join(parts))
    return docs / "interruptions.md"


def _section(path: Path, found: Mapping[str, Any]) -> str:
    chain = found.get("chain")
    options = "--chain " if chain else ""
    results = path.relative_to(path.parent.parent.parent)
    words = f"{COMMAND} --kills {_count(found)} {options}--results {results}"
    if found["overrides"]:
        words += " " + shlex.join(found["overrides"])
    lines = [
        f"The `{found['config']}` run, unbroken in {found['seconds_unbroken']:.0f} s, by",
        "",
        "```",
        words,
        "```",
        "",
    ]
    if chain:
        same = "the very numbers" if chain["same_numbers"] else f"OTHER numbers ({', '.join(chain['differs'])})"
        lines += [
            f"One run took {len(chain['kills'])} SIGKILLs on its way and ended with {same} of the unbroken run.",
            "",
        ]
        lines += _table(chain["kills"], same=False)
    if found["kills"]:
        same = sum(kill["same_numbers"] for kill in found["kills"])
        lines += [
            f"Of {len(found['kills'])} runs, each SIGKILLed once and taken up again, {same} ended with the very numbers"
            " of the unbroken run (`report.json`, time stamps and seconds apart).",
            "",
        ]
        lines += _table(found["kills"], same=True)
    return "\n".join([*lines, ""])


def _count(found: Mapping[str, Any]) -> int:
    return len(found["chain"]["kills"] if found.get("chain") else found["kills"])


def _table(kills: Sequence[Mapping[str, Any]], *, same: bool) -> list[str]:
    lines = ["| killed after, s | stages done | interrupted in |" + (" same numbers |" if same else "")]
    lines.append("|---|---|---|" + ("---|" if same else ""))
    for kill in sorted(kills, key=lambda k: k["moment"]):
        row = f"| {kill['moment']:.1f} | {_told(kill['stages_done'])} | {_told(kill['interrupted_in'])} |"
        lines.append(row + (f" {'yes' if kill['same_numbers'] else 'NO'} |" if same else ""))
    return lines


def _told(value: object) -> str:
    return "–" if value is None else str(value)


if __name__ == "__main__":
    sys.stdout.write(f"{write_page()}\n")
