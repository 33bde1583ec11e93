"""Time and peak memory of reading records: `python -m posology.experiments.studies.ingest`.

Each reading runs in a process of its own, so that its peak memory is its own; readers take turns.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...trajectories.meds import shards
from ...trajectories.records import read_trajectories
from ...trajectories.task_file import load_task
from ..stages import write_text
from .ingest_data import write_dataset
from .ingest_pandas import read_with_pandas

SYNTHETIC = "sepsis_simulated"  # the task whose codes the synthetic datasets hold
_DEMOS = {"MIMIC-IV demo": ("mimic_iv_demo_meds", "sepsis"), "eICU demo": ("eicu_demo_meds", "sepsis_eicu")}
Result = dict[str, Any]
Found = dict[str, dict[str, list[Result]]]  # by dataset and reader


def measure(path: Path, task_name: str, reader: str) -> Result:
    """Read once in this process: rows, stays, CPU and wall seconds, and the peak of resident memory in MB."""
    import pyarrow.parquet as pq

    logging.disable(logging.WARNING)
    task, before = load_task(task_name), peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    stays = 0
    if reader == "posology":
        stays = len(read_trajectories(path, task).trajectories)
    elif reader == "pandas":
        stays = len(read_with_pandas(path, task)[0])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = sum(pq.read_metadata(file).num_rows for file in shards(path))
    found = {
        "rows": rows,
        "shards": len(shards(path)),
        "stays": stays,
        "wall": wall,
        "cpu": cpu,
        "peak_mb": peak_memory(),
    }
    return found | {"start_mb": before}


def agree(path: Path) -> int:
    """How many values and doses the two readers share; AssertionError where they differ."""
    task = load_task(SYNTHETIC)
    ours = read_trajectories(path, task).trajectories
    values, doses = read_with_pandas(path, task)
    seen = ours.seen[:, :-1].numpy() & ours.mask.numpy()[:, :, None]
    assert bool((~np.isnan(values) & ours.mask.numpy()[:, :, None] == seen).all())
    np.testing.assert_allclose(ours.vitals[:, :-1].numpy()[seen], values[seen], rtol=1e-6)
    np.testing.assert_allclose(ours.dose.numpy(), doses, rtol=1e-4, atol=1e-6)
    return int(seen.sum()) + doses.size


def main(
    page: Annotated[Path, typer.Option(help="The page to write; numbers go beside it as JSON.")] = Path(
        "docs/ingest.md"
    ),
    events: Annotated[int, typer.Option(min=1000, help="Events of the synthetic dataset.")] = 10_000_000,
    parts: Annotated[int, typer.Option(min=4, help="Its shards.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is read.")] = 3,
) -> None:
    """Read the demos (where POSOLOGY_DATA has them) and synthetic datasets, and write what it took.

    Numbers are kept after each reading: the same command goes on where it was stopped.
    """
    kept = page.with_suffix(".json")
    settings = {"events": events, "parts": parts}
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    found: Found = before.get("found", {}) if before.get("settings") == settings else {}
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = _datasets(Path(folder), events, parts)
        shared = agree(write_dataset(Path(folder) / "small", load_task(SYNTHETIC), events=40_000, shards=2))
        for number in range(rounds):
            for name, (path, task) in data.items():
                for reader in ("posology", "pandas") if task == SYNTHETIC else ("posology",):
                    runs = found.setdefault(name, {}).setdefault(reader, [])
                    if len(runs) <= number:
                        runs.append(_alone(path, task, reader))
                        write_text(kept, json.dumps({"settings": settings, "agreed": shared, "found": found}, indent=1))
    write_text(page, text(found, shared, rounds))
    typer.echo(f"{page}")


def _datasets(folder: Path, events: int, parts: int) -> dict[str, tuple[Path, str]]:
    """Where each dataset is, and its task; the synthetic ones are written into `folder`."""
    task = load_task(SYNTHETIC)
    data = {}
    for n in sorted({parts // 4, parts // 2, parts}):
        path = write_dataset(folder / str(n), task, events=round(events * n / parts), shards=n)
        data[f"synthetic, {n} shards"] = (path, SYNTHETIC)
    root = Path(os.environ.get("POSOLOGY_DATA", "nowhere"))
    return data | {name: (root / place, demo) for name, (place, demo) in _DEMOS.items() if (root / place).exists()}


def text(found: Found, shared: int, rounds: int) -> str:
    """The page, as Markdown."""
    lines = [_HEAD.format(rounds=rounds, shared=shared, size=_stay_size() / 1000)]
    for name, readers in found.items():
        ours = _median(readers["posology"], "cpu")
        for reader, runs in readers.items():
            cpu = _median(runs, "cpu")
            ratio = (
                f"{_median(readers['pandas'], 'cpu') / ours:.2f}"
                if reader == "posology" and "pandas" in readers
                else ""
            )
            one = runs[0]
            lines.append(
                f"| {name} | {reader} | {one['rows']:,} | {one['shards']} | {one['stays']:,} | {cpu:.2f} | "
                f"{_median(runs, 'wall'):.2f} | {one['rows'] / cpu / 1e6:.2f} | {ratio} | "
                f"{max(r['peak_mb'] for r in runs):,.0f} | {_median(runs, 'start_mb'):,.0f} |"
            )
    return "\n".join(lines) + "\n"


_HEAD = """# Reading records: time and memory

Made by `python -m posology.experiments.studies.ingest` (the demos where `POSOLOGY_DATA` holds them). One thread;
medians of {rounds} rounds in which the readers take turns, each reading in a process of its own; the peak is the
greatest of the rounds. `before` is the peak before reading, of imports alone. `ratio` is the CPU time of plain pandas
divided by that of the reader, on the same dataset; the pandas reading (`experiments/studies/ingest_pandas.py`) does
less, and on a smaller dataset of the same make both agree on {shared:,} values and doses. The synthetic datasets
differ in the number of shards of equal size. Their result takes {size:.1f} KB a stay and is held twice while shards are
joined: a peak that grows no more than that means that memory is bounded by a shard and the result.

| dataset | reader | events | shards | stays | CPU s | wall s | million events / CPU s | ratio | peak MB | before |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def _stay_size() -> int:
    """Bytes of one stay of the synthetic datasets: vitals, ages, seen, doses, hours and mask."""
    task = load_task(SYNTHETIC)
    states = (task.horizon + 1) * len(task.spec.features) * 9
    return states + task.horizon * (4 * len(task.drugs) + 5) + 4 * len(task.context)


def _alone(path: Path, task: str, reader: str) -> Result:
    """`measure` in a process of its own."""
    words = [sys.executable, "-m", "posology.experiments.studies.ingest_measure", str(path), task, reader]
    result: Result = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return result


def _median(runs: list[Result], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def peak_memory() -> float:
    """Peak of this process's own resident memory in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says outlives the parent's exec, and so may be the parent's
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
