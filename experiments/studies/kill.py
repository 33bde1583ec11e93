"""A run is killed (SIGKILL) at random moments and taken up again: its final numbers against an unbroken run's.

    python -m posology.experiments.studies.kill --kills 10 [--chain]

Every kill has a run folder of its own: start, SIGKILL after a random time, start again, compare report.json with that
of the unbroken run, time stamps and seconds apart. With `--chain` one run takes all the kills, each after more of its
work, which costs the time of one run instead of ten. The study itself goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..stages import write_text
from ..status import status

RESULTS = Path("docs/results/kill.json")


def numbers(folder: Path) -> dict[str, Any]:
    """All of report.json but when it was made, how long that took, and the commit that stood there meanwhile."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    del report["created"], report["provenance"]["seconds"], report["provenance"]["commit"]
    return report


def start(config: str, overrides: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    """`posology run` in a process group of its own."""
    words = [sys.executable, "-m", "posology", "run", config, *overrides, "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(config: str, overrides: Sequence[str], out: Path) -> tuple[Path, float]:
    """Run to the end: the run's folder, and the seconds it took. RuntimeError where the run fails."""
    began = time.monotonic()
    if (code := start(config, overrides, out).wait()) != 0:
        raise RuntimeError(f"posology run {config} in {out} ended with status {code}; run it by hand to see why")
    return folder_in(out), time.monotonic() - began


def folder_in(out: Path) -> Path:
    """The one run folder in `out`."""
    (folder,) = (path.parent for path in out.glob("*/config.yaml"))
    return folder


def killed(config: str, overrides: Sequence[str], out: Path, now: Callable[[], bool]) -> dict[str, str] | None:
    """Start a run and SIGKILL it as soon as `now()`: the state of every stage then, or None where it was faster."""
    process = start(config, overrides, out)
    while not now():
        if process.poll() is not None:
            return None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not list(out.glob("*/config.yaml")):
        return {}
    return {stage.name: stage.state for stage in status(folder_in(out))[1]}


def one_kill(config: str, overrides: Sequence[str], out: Path, moment: float, truth: dict[str, Any]) -> dict[str, Any]:
    """Kill a run `moment` seconds after its start, take it up again, and compare its numbers with the `truth`."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    states = killed(config, overrides, out, lambda: time.monotonic() - began >= moment)
    folder, seconds = finish(config, overrides, out)
    found = numbers(folder)
    differs = [name for name in sorted(truth.keys() | found.keys()) if truth.get(name) != found.get(name)]
    interrupted = [name for name, state in (states or {}).items() if state == "interrupted"]
    shutil.rmtree(out)
    return {
        "moment": round(moment, 2),
        "stages_done": None if states is None else sum(state == "done" for state in states.values()),
        "interrupted_in": interrupted[0] if interrupted else "between stages" if states else None,
        "seconds_to_finish": round(seconds, 1),
        "same_numbers": not differs,
        "differs": differs,
    }


def chain(
    config: str, overrides: Sequence[str], out: Path, moments: Sequence[float], truth: dict[str, Any]
) -> dict[str, Any]:
    """Kill one run at every one of the `moments` of its own running time, end it, and compare with the `truth`."""
    shutil.rmtree(out, ignore_errors=True)
    kills, ran = [], 0.0
    for moment in sorted(moments):
        began = time.monotonic()
        states = killed(config, overrides, out, lambda: ran + time.monotonic() - began >= moment)  # noqa: B023
        ran += time.monotonic() - began
        interrupted = [name for name, state in (states or {}).items() if state == "interrupted"]
        kills.append({
            "moment": round(moment, 2),
            "stages_done": None if states is None else sum(state == "done" for state in states.values()),
            "interrupted_in": interrupted[0] if interrupted else "between stages" if states else None,
        })  # fmt: skip
    folder, seconds = finish(config, overrides, out)
    found = numbers(folder)
    differs = [name for name in sorted(truth.keys() | found.keys()) if truth.get(name) != found.get(name)]
    shutil.rmtree(out)
    return {"kills": kills, "seconds_to_finish": round(seconds, 1), "same_numbers": not differs, "differs": differs}


def study(
    config: str, overrides: Sequence[str], *, kills: int, seed: int, results: Path, work: Path, chained: bool = False
) -> dict[str, Any]:
    """Kill `kills` runs at seeded random moments of the unbroken run's time; what is in `results` is not done again.

    `chained`: one run takes all the kills, in the order of their moments.
    """
    settings = {"config": config, "overrides": list(overrides), "seed": seed}
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    whole = work / "whole"
    if {name: found.get(name) for name in settings} != settings or not (whole / "numbers.json").is_file():
        shutil.rmtree(work, ignore_errors=True)
        folder, seconds = finish(config, overrides, whole)
        write_text(whole / "numbers.json", json.dumps(numbers(folder)))
        found = {**settings, "seconds_unbroken": round(seconds, 1), "kills": []}
    truth = json.loads((whole / "numbers.json").read_text(encoding="utf-8"))
    chance = random.Random(seed)
    moments = [chance.uniform(0.02, 0.98) * found["seconds_unbroken"] for _ in range(kills)]
    if chained and "chain" not in found:
        found["chain"] = chain(config, overrides, work / "chain", moments, truth)
        results.parent.mkdir(parents=True, exist_ok=True)
        write_text(results, json.dumps(found, indent=1) + "\n")
    for moment in [] if chained else moments[len(found["kills"]) :]:
        found["kills"].append(one_kill(config, overrides, work / "killed", moment, truth))
        found["same_numbers"] = sum(kill["same_numbers"] for kill in found["kills"])
        results.parent.mkdir(parents=True, exist_ok=True)
        write_text(results, json.dumps(found, indent=1) + "\n")
    return found


def main() -> None:
    """The study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings to change: key.path=value ...")
    parser.add_argument("--config", default="demo")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path("runs/kill"), help="folder for the runs; removed as they end")
    parser.add_argument("--chain", action="store_true", help="one run takes all the kills")
    given = parser.parse_args()
    options = {"kills": given.kills, "seed": given.seed, "results": given.results, "work": given.work}
    found = study(given.config, given.overrides, chained=given.chain, **options)
    if given.chain:
        same = found["chain"]["same_numbers"]
        sys.stdout.write(f"{'the same' if same else 'OTHER'} final numbers after {given.kills} kills of one run\n")
        return
    sys.stdout.write(f"same final numbers after {found['same_numbers']} of {len(found['kills'])} kills\n")


if __name__ == "__main__":
    main()
