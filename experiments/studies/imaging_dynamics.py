"""Does imaging help to predict? Errors of learned dynamics that see scans, none, or the true volume.

`python -m posology.experiments.studies.imaging_dynamics` writes docs/imaging_dynamics.json and two tables in
docs/imaging.md. The same courses are shown to every model; only what is seen of the tumour differs. Errors are those of
the expected value 1, 2, 4 and 8 weeks ahead, and at the horizon from admission, under the doses really given: of the
neutrophil count, and of the true volume, which a linear probe of the model's state tells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

from ...contracts import Trajectories
from ...evaluation.fidelity_forecasts import forecast_errors
from ...patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm
from ..stages import write_text
from .imaging_arms import CONDITIONS, HORIZON, TRAINED
from .imaging_courses import Courses, courses, seen_of
from .imaging_probe import Probe, fit_probe, probe_errors
from .imaging_value import Array, crossed_interval
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.imaging_dynamics"
AHEAD = (1, 2, 4, 8)
EVERY, COPIES = 3, 4  # forecasts start at every third week; simulated copies of each
TRAIN, TUNING, HELD_OUT = 0, 10**7, 2 * 10**7  # seeds of the first patients
QUANTITIES = {"volume": "log true volume", "neutrophils": "neutrophil count"}


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    patients: int  # learned from; a fifth as many tune
    held_out: int
    seeds: int
    epochs: int


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of cohorts and errors; what is there is used.")] = Path("runs"),
    patients: Annotated[int, typer.Option(min=20, help="Learned from; a fifth as many tune.")] = 1000,
    held_out: Annotated[int, typer.Option(min=10, help="Patients whose courses are predicted.")] = 300,
    seeds: Annotated[int, typer.Option(min=2, help="Models learned for each kind of sight.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Of training, at most.")] = 40,
) -> None:
    """Simulate, learn, predict and tabulate."""
    torch.set_num_threads(1)
    plan, console = Plan(patients, held_out, seeds, epochs), Console()
    folder = work / f"imaging_dynamics_{patients}_{held_out}_{epochs}"
    for path in (docs, folder):
        path.mkdir(parents=True, exist_ok=True)
    views = [("none", "none"), *(("scans", label) for label, _ in CONDITIONS), ("truth", "every day")]
    errors: dict[tuple[str, str], list[Any]] = {view: [] for view in views}
    for seed in range(seeds):
        for arm in ("none", "scans", "truth"):
            labels = [label for kind, label in views if kind == arm]
            found = _kept(folder, plan, arm, labels, seed, console)
            for label in labels:
                errors[arm, label].append(found[label])
    lines = [
        {"arm": arm, "scans": label, **{q: _lines(each, errors["none", "none"], q) for q in QUANTITIES}}
        for (arm, label), each in errors.items()
    ]
    write_text(docs / "imaging_dynamics.json", json.dumps({**vars(plan), "lines": lines}, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    for quantity in QUANTITIES:
        body = "\n".join(_table(lines, quantity))
        text = put_block(text, f"imaging dynamics, {quantity}", "", body, command=COMMAND)
    write_text(page, text)


Found = dict[str, dict[str, dict[str, list[list[float]]]]]  # label -> quantity -> decisions ahead -> square, count


def _kept(folder: Path, plan: Plan, arm: str, labels: list[str], seed: int, console: Console) -> Found:
    """Summed squared errors and counts of each held-out stay, measured now or before."""
    path = folder / f"{arm}_{seed}.json"
    if not path.is_file():
        train = courses(folder, "train", plan.patients, TRAIN, TRAINED)
        tuning = courses(folder, "tuning", max(20, plan.patients // 5), TUNING, TRAINED)
        shown = seen_of(train, arm)
        config = LSTMConfig(members=2, epochs=plan.epochs, patience=15, image_dropout=0.3)
        model = fit_lstm(shown, seen_of(tuning, arm), config, seed=seed)
        probes = {k: fit_probe(model, shown, train.volume, ahead, every, COPIES) for k, (ahead, every) in _reach()}
        found = {}
        for number, (label, schedule) in enumerate(CONDITIONS):
            if label in labels or (labels == ["none"] and number == 0):
                held = courses(folder, f"held_out_{number}", plan.held_out, HELD_OUT, schedule)
                found["none" if arm == "none" else label] = _errors(model, seen_of(held, arm), held, probes)
        write_text(path, json.dumps(found) + "\n")
        console.print(f"measured {path.name}")
    kept: Found = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _reach() -> list[tuple[str, tuple[int, int]]]:
    """Name and length of each distance, and how far apart forecasts start; the horizon is reached from admission."""
    return [*((str(k), (k, EVERY)) for k in AHEAD), ("horizon", (HORIZON, HORIZON))]


def _errors(
    model: LSTMEnsemble, shown: Trajectories, held: Courses, probes: dict[str, Probe]
) -> dict[str, dict[str, list[list[float]]]]:
    near = forecast_errors(model, shown, AHEAD, copies=COPIES, every=EVERY)
    far = forecast_errors(model, shown, (HORIZON,), copies=COPIES, every=HORIZON)[HORIZON]
    column = shown.spec.feature("neutrophils")
    found: dict[str, dict[str, list[list[float]]]] = {name: {} for name in QUANTITIES}
    for name, (ahead, every) in _reach():
        errors = far if name == "horizon" else near[ahead]
        found["neutrophils"][name] = [errors.square[:, column].tolist(), errors.count[:, column].tolist()]
        square, count = probe_errors(probes[name], model, shown, held.volume, ahead, every, COPIES)
        found["volume"][name] = [square.tolist(), count.tolist()]
    return found


def _lines(each: list[Any], base: list[Any], quantity: str) -> dict[str, Any]:
    """Root mean squared error and, against no image on the same stays, the share of the mean squared error saved."""
    found = {}
    for name, _ in _reach():
        ours, theirs = (_squares([seed[quantity][name] for seed in some]) for some in (each, base))
        error = crossed_interval(ours)
        saved = crossed_interval((theirs - ours) / theirs.mean())
        found[name] = {"rmse": [max(x, 0.0) ** 0.5 for x in error], "saved": saved}
    return found


def _squares(each: list[list[list[float]]]) -> Array:
    """Squared errors (S, N) of every stay, weighted so that their mean is that over all forecasts."""
    square, count = (np.array([part[k] for part in each]) for k in range(2))
    return np.asarray(square / count.mean(1, keepdims=True))


def _table(lines: list[dict[str, Any]], quantity: str) -> list[str]:
    seen = {"scans": "what the encoder reads", "none": "no image", "truth": "the true volume"}
    names = [name for name, _ in _reach()]
    titles = [
        f"{name} week{'' if name == '1' else 's'}" if name != "horizon" else "admission to horizon" for name in names
    ]
    rows = [
        f"| what is seen ({QUANTITIES[quantity]}) | scans | {' | '.join(titles)} |",
        f"| --- | --- |{' ---: |' * len(titles)}",
    ]
    for line in lines:
        cells = []
        for name in names:
            value, low, high = line[quantity][name]["rmse"]
            cells.append(f"{value:.3f} ({low:.3f} to {high:.3f})")
        rows.append(f"| {seen[line['arm']]} | {line['scans']} | {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    typer.run(main)
