"""Does imaging help? Policies that see scans, none, or the true volume, at ever rarer and missing scans.

`python -m posology.experiments.studies.imaging_value` writes docs/results/imaging_value.json, the tables in
docs/imaging.md and docs/figures/imaging_value.png. One policy for each kind of sight and seed is trained by PPO in the
true patient; those that see scans over random schedules, with errors drawn like the encoder's. They are judged by the
true volume: on scans that are really rendered and read, and on more patients with drawn errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from scipy import stats

from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.save import load_policy, save_policy
from ...contracts import Clinician, Policy, Treatment
from ...evaluation.true_value import rollout_value
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_rule import TumorRule
from ...patient_models.tumor_schedule import DailySchedule
from ..stages import write_text
from .imaging_arms import ARMS, CONDITIONS, TRAINED, ReadSizes, core, judged, knowing, sighted, sightless
from .imaging_reading import ErringReading, Reading, measured, reading_of
from .imaging_value_page import draw, tables

FIRST = 5 * 10**12  # seed of the first patient judged
TRAINING = 10**9  # ... and of the first one met in training, for each training seed
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    steps: int  # decisions that each policy is trained on
    seeds: int
    patients: int  # judged on rendered scans
    many: int  # judged with drawn errors


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of policies and returns; what is there is used.")] = Path("runs"),
    steps: Annotated[int, typer.Option(min=1, help="Decisions that each policy is trained on.")] = 1_000_000,
    seeds: Annotated[int, typer.Option(min=1, help="Policies trained for each kind of sight.")] = 3,
    patients: Annotated[int, typer.Option(min=2, help="Judged on rendered scans, the same for all.")] = 200,
    many: Annotated[int, typer.Option(min=2, help="Judged with drawn errors, the same for all.")] = 2000,
) -> None:
    """Measure the encoder's errors, train, judge, tabulate and draw."""
    torch.set_num_threads(1)
    plan, console = Plan(steps, seeds, patients, many), Console()
    folder = work / f"imaging_value_{steps}"
    for path in (docs / "figures", docs / "results", folder):
        path.mkdir(parents=True, exist_ok=True)
    errors = folder / "reading.json"
    if not errors.is_file():
        weekly = core(ReadSizes(TumorImaging(Tumor(2))))
        write_text(errors, json.dumps(measured(weekly, min(500, patients))) + "\n")
    study = Study(plan, folder, reading_of(json.loads(errors.read_text(encoding="utf-8"))), console)
    found = {**vars(plan), "baselines": study.baselines(), "lines": study.lines()}
    write_text(docs / "results" / "imaging_value.json", json.dumps(found, indent=1) + "\n")
    tables(docs / "imaging.md", found)
    draw(docs / "figures" / "imaging_value.png", found["lines"])


@dataclass(frozen=True, eq=False)
class Study:
    """Policies and what they are worth, each trained and judged once and kept in `folder`."""

    plan: Plan
    folder: Path
    reading: Reading
    console: Console

    def drawn(self, schedule: DailySchedule) -> Treatment:
        """Who sees scans with drawn errors."""
        return judged(core(ErringReading(Tumor(reading=0.0, schedule=schedule), self.reading)))

    def policy(self, arm: str, seed: int) -> Policy:
        """Trained by PPO over whole stays, so that every update meets all weeks of them."""
        path = self.folder / f"{arm}_{seed}"
        if not path.exists():
            source = sightless() if arm == "none" else knowing() if arm == "truth" else self.drawn(TRAINED)
            config = MaskedPPOConfig(
                steps=self.plan.steps, beds=512, rollout=26, minibatches=8, epochs=5, gae_lambda=0.97, entropy=0.005,
                first_seed=TRAINING * (seed + 1),
            )  # fmt: skip
            save_policy(fit_masked_ppo(source, config, seed=seed), path)
            self.console.print(f"trained {path.name}")
        policy = load_policy(path)
        assert isinstance(policy, Policy)
        return policy

    def returns(self, name: str, treatment: Treatment, who: Policy | Clinician, patients: int) -> Array:
        """Return of each of `patients` (N,), judged now or before."""
        path = self.folder / f"returns_{name}_{patients}.json"
        if not path.is_file():
            value = rollout_value(treatment, who, patients, FIRST, batch=min(patients, 4000))
            write_text(path, json.dumps([round(x, 5) for x in value.returns.tolist()]) + "\n")
            self.console.print(f"{name}: {value.value:.3f} ({patients} patients)")
        return np.array(json.loads(path.read_text(encoding="utf-8")))

    def all_seeds(self, name: str, treatment: Treatment, arm: str, patients: int) -> Array:
        """Returns (S, N) of the policies of an arm."""
        each = [self.returns(f"{name}_{s}", treatment, self.policy(arm, s), patients) for s in range(self.plan.seeds)]
        return np.stack(each)

    def baselines(self) -> list[dict[str, Any]]:
        """What the documented clinician and rule are worth, with the true volume and without it."""
        many = self.plan.many
        found = {
            "the clinician of the cohort, true size": self.returns("clinician", knowing(), Tumor().clinician(), many),
            "rule by count alone": self.returns("rule_blind", knowing(), TumorRule(small=0.0, large=1e9), many),
            "rule by count and true volume": self.returns("rule", knowing(), TumorRule(), many),
            "PPO, no image": self.all_seeds("none", sightless(), "none", many),
            "PPO, true volume": self.all_seeds("truth", knowing(), "truth", many),
        }
        return [{"who": who, "value": crossed_interval(np.atleast_2d(each))} for who, each in found.items()]

    def lines(self) -> list[dict[str, Any]]:
        """Every arm and schedule: value, and gain over no image paired by patient and seed, rendered and drawn."""
        few, many = self.plan.patients, self.plan.many
        base = {size: self.all_seeds("none", sightless(), "none", size) for size in (few, many)}
        lines = [_line("none", "none", base[few], base[few], base[many], base[many])]
        for number, (label, schedule) in enumerate(CONDITIONS):
            rendered = self.all_seeds(f"scans_{number}", sighted(schedule), "scans", few)
            drawn = self.all_seeds(f"drawn_{number}", self.drawn(schedule), "scans", many)
            lines.append(_line("scans", label, rendered, base[few], drawn, base[many]))
        truth = {size: self.all_seeds("truth", knowing(), "truth", size) for size in (few, many)}
        return [*lines, _line("truth", CONDITIONS[0][0], truth[few], base[few], truth[many], base[many])]


def _line(arm: str, label: str, few: Array, base: Array, many: Array, base_many: Array) -> dict[str, Any]:
    assert arm in ARMS
    return {
        "arm": arm,
        "scans": label,
        "value": crossed_interval(few),
        "gain": crossed_interval(few - base),
        "gain_drawn": crossed_interval(many - base_many),
        "seeds": [round(float(x), 4) for x in (few - base).mean(1)],
    }


def crossed_interval(values: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of values (S, N), and its low and high: over seeds and patients, both of which are samples.

    The variance is that of seeds' means plus that of patients' means, which counts their interaction twice and so errs
    on the wide side; degrees of freedom by Satterthwaite (1946), Biometrics Bulletin 2:110. One seed: patients alone.
    """
    seeds, patients = values.shape
    parts = [(float(values.mean(0).var(ddof=1)) / patients, patients - 1)]
    if seeds > 1:
        parts.append((float(values.mean(1).var(ddof=1)) / seeds, seeds - 1))
    total = sum(variance for variance, _ in parts)
    mean = float(values.mean())
    if total == 0:
        return mean, mean, mean
    freedom = total**2 / sum(variance**2 / df for variance, df in parts)
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * total**0.5
    return mean, mean - half, mean + half


if __name__ == "__main__":
    typer.run(main)
