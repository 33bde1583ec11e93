"""Errors of learned dynamics some decisions ahead: of what is measured, and of the hidden truth behind pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...contracts import Feature, Trajectories
from ...evaluation.fidelity_forecasts import forecast_errors
from ...patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm
from ..stages import write_text
from .imaging_courses import Courses, seen_of
from .imaging_probe import Probe, fit_probe, probe_errors
from .imaging_value import Array, crossed_interval

AHEAD = (1, 2, 4, 8)  # decisions
EVERY, COPIES = 3, 4  # forecasts start at every third decision; simulated copies of each
ARMS = {"none": "no image", "pictures": "what the encoder reads", "truth": "the truth"}
Squares = dict[str, dict[str, list[list[float]]]]  # quantity -> decisions ahead -> squared error, count of each stay


@dataclass(frozen=True)
class Subject:
    """What is forecast: the hidden truth, and one feature that everybody sees."""

    truth: Feature  # as the model sees it that sees the truth
    log: bool  # errors of the truth are of its logarithm
    feature: str
    horizon: int  # decisions
    epochs: int  # of training, at most

    def target(self, found: Courses) -> Tensor:
        """The truth (N, T+1) on the scale of its errors."""
        return found.truth.log() if self.log else found.truth

    @property
    def reach(self) -> list[tuple[str, int, int]]:
        """Name and length of each distance, and how far apart forecasts start; the horizon: from admission."""
        return [*((str(k), k, EVERY) for k in AHEAD), ("horizon", self.horizon, self.horizon)]


def measured(
    path: Path,
    subject: Subject,
    arm: str,
    seed: int,
    cohorts: Callable[[], tuple[Courses, Courses, dict[str, Courses]]],
) -> dict[str, Squares]:
    """Squared errors by held-out cohort of a model that learned from what `arm` shows, measured now or before.

    `cohorts` gives training, tuning and held-out courses.
    """
    if not path.is_file():
        train, tuning, held_out = cohorts()
        shown = seen_of(train, arm, subject.truth)
        config = LSTMConfig(members=2, epochs=subject.epochs, patience=15, image_dropout=0.3)
        model = fit_lstm(shown, seen_of(tuning, arm, subject.truth), config, seed=seed)
        target = subject.target(train)
        probes = {n: fit_probe(model, shown, target, ahead, every, COPIES) for n, ahead, every in subject.reach}
        found = {
            label: _squares(subject, model, seen_of(held, arm, subject.truth), subject.target(held), probes)
            for label, held in held_out.items()
        }
        write_text(path, json.dumps(found) + "\n")
    kept: dict[str, Squares] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _squares(
    subject: Subject, model: LSTMEnsemble, shown: Trajectories, target: Tensor, probes: dict[str, Probe]
) -> Squares:
    horizon = subject.horizon
    near = forecast_errors(model, shown, AHEAD, copies=COPIES, every=EVERY)
    far = forecast_errors(model, shown, (horizon,), copies=COPIES, every=horizon)[horizon]
    column = shown.spec.feature(subject.feature)
    found: Squares = {"truth": {}, "feature": {}}
    for name, ahead, every in subject.reach:
        errors = far if name == "horizon" else near[ahead]
        found["feature"][name] = [errors.square[:, column].tolist(), errors.count[:, column].tolist()]
        square, count = probe_errors(probes[name], model, shown, target, ahead, every, COPIES)
        found["truth"][name] = [square.tolist(), count.tolist()]
    return found


def compared(each: list[Squares], base: list[Squares], quantity: str, names: list[str]) -> dict[str, Any]:
    """Root mean squared error by distance, and the share of the squared error that is saved against `base`."""
    found = {}
    for name in names:
        ours, theirs = (squared([seed[quantity][name] for seed in some]) for some in (each, base))
        error = [max(x, 0.0) ** 0.5 for x in crossed_interval(ours)]
        found[name] = {"rmse": error, "saved": crossed_interval((theirs - ours) / theirs.mean())}
    return found


def squared(each: list[list[list[float]]]) -> Array:
    """Squared errors (S, N) of every stay, weighted so that their mean is that over all forecasts."""
    square, count = (np.array([part[k] for part in each]) for k in range(2))
    return np.asarray(square / count.mean(1, keepdims=True))


def error_lines(lines: list[dict[str, Any]], quantity: str, what: str, unit: str) -> list[str]:
    """Markdown lines: a row per sight and schedule, a column per distance."""
    names = list(lines[0][quantity])
    titles = ["admission to horizon" if n == "horizon" else f"{n} {unit}{'' if n == '1' else 's'}" for n in names]
    rows = [
        f"| what is seen | pictures | {what}: {' | '.join(titles)} | squared error saved, 1 {unit} |",
        f"| --- | --- |{' ---: |' * (len(titles) + 1)}",
    ]
    for line in lines:
        cells = [_between(*line[quantity][name]["rmse"]) for name in names]
        value, low, high = (100 * x for x in line[quantity]["1"]["saved"])
        saved = "" if line["arm"] == "none" else f"{value:.0f} % ({low:.0f} to {high:.0f})"
        cells.append(saved.replace("-", "−"))
        rows.append(f"| {ARMS[line['arm']]} | {line['pictures']} | {' | '.join(cells)} |")
    return rows


def _between(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
