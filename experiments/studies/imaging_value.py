"""Does imaging help? Policies that see scans, none, or the true size, at ever rarer scans.

`python -m posology.experiments.studies.imaging_value` writes docs/imaging_value.json and the table in docs/imaging.md.
Policies are trained by PPO in the true patient over random scan schedules, and all are judged by the same reward:
that of the environment, but for shrinkage, which counts the true volume, however seldom it was scanned. Scans are
rendered and read by the encoder when policies are judged; in training a reading with an error of 15 % stands for it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from torch import Tensor

from ...agents.network import NetworkPolicy
from ...agents.save import load_policy, save_policy
from ...agents.sb3 import PPOConfig, fit_ppo
from ...contracts import PatientState, Policy, Spec, Step, Treatment
from ...envs import sb3_env
from ...envs.dose_treatment import DoseTreatment
from ...envs.tumor_constraints import tumor_limits
from ...envs.tumor_reward import TumorReward, tumor_reward
from ...envs.wrapped import wrap
from ...evaluation.true_value import Value, mean_interval, rollout_value
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_spec import FEATURES, SPEC, WEEK
from ..stages import write_text
from .patient_pages import put_block

HORIZON, BLIND_TO = 26, (SPEC.feature("volume"), SPEC.feature("diameter"))
FIRST = 5 * 10**12  # seed of the first patient judged
READING = 0.15  # of the encoder, as trained with
CONDITIONS = (
    ("every week", 1, 0.0),
    ("every 2 weeks", 2, 0.0),
    ("every 4 weeks", 4, 0.0),
    ("every 8 weeks", 8, 0.0),
    ("weekly, 30 % missed", 1, 0.3),
    ("weekly, 60 % missed", 1, 0.6),
)


@dataclass(frozen=True, eq=False)
class ReadSizes:
    """The tumour patient with the encoder's volume and diameter, and nothing else of its token."""

    inner: TumorImaging
    spec: Spec = SPEC
    fixed_hours: float | None = WEEK

    @property
    def noise_dim(self) -> int:
        return self.inner.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        return self.inner.admit_noise_dim

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        return _first(self.inner.admit(context, noise))

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        extra = len(self.inner.spec.features) - len(FEATURES)
        padded = {n: torch.nn.functional.pad(getattr(state, n), (0, extra)) for n in ("vitals", "seen", "age")}
        return _first(self.inner.step(state.replace(**padded), dose, hours, noise))


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of trained policies; what is there is used.")] = Path("runs"),
    steps: Annotated[int, typer.Option(min=1, help="Decisions that each policy is trained on.")] = 250_000,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    patients: Annotated[int, typer.Option(min=50, help="On whom each policy is judged, the same for all.")] = 1000,
) -> None:
    """Train, judge and tabulate."""
    torch.set_num_threads(1)
    console = Console()
    trained = {
        arm: [_policy(work / f"imaging_value_{arm}_{seed}_{steps}", arm, seed, steps, console) for seed in range(seeds)]
        for arm in ("scans", "none", "truth")
    }
    lines = []
    for label, weeks, missed in CONDITIONS:
        patient = ReadSizes(TumorImaging(Tumor(weeks, missed)))
        lines.append(_line("scans", label, trained["scans"], judged(_core(patient)), patients))
        console.print(lines[-1])
    lines.append(_line("none", "no scan at all", trained["none"], judged(blind(_core(Tumor()))), patients))
    lines.append(
        _line("truth", "true volume, every week", trained["truth"], judged(_core(Tumor(1, 0.0, 0.0))), patients)
    )
    console.print(*lines[-2:], sep="\n")
    found = {"steps": steps, "patients": patients, "lines": lines}
    docs.mkdir(parents=True, exist_ok=True)
    write_text(docs / "imaging_value.json", json.dumps(found, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    command = "python -m posology.experiments.studies.imaging_value"
    write_text(page, put_block(text, "imaging value", "", "\n".join(_table(lines)), command=command))


def _policy(folder: Path, arm: str, seed: int, steps: int, console: Console) -> Policy:
    if not folder.exists():
        missed = 0.25
        cores = {
            "scans": _core(Tumor(0, missed, READING)),
            "none": blind(_core(Tumor())),
            "truth": _core(Tumor(1, 0.0, 0.0)),
        }
        env = sb3_env(judged(cores[arm]), 256, seed=10**9 * (seed + 1))
        policy: NetworkPolicy = fit_ppo(env, PPOConfig(steps=steps, rollout=13), seed=seed)
        save_policy(policy, folder)
        console.print(f"trained {folder.name}")
    return load_policy(folder)


def _core(patient: Any) -> Treatment:
    return DoseTreatment(
        patient,
        constraints=tumor_limits(SPEC),
        reward_rule=tumor_reward(SPEC, HORIZON * WEEK),
        horizon=HORIZON,
        interval_hours=WEEK,
        enforce=True,
    )


def judged(treatment: Treatment) -> Treatment:
    """The treatment with shrinkage paid for the true volume, whatever was scanned."""
    rule = tumor_reward(SPEC, HORIZON * WEEK)

    def reward(before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        over = torch.zeros_like(after.outcome, dtype=torch.bool)
        return rule(_truly(before, rule), dose, hours, _truly(after, rule), over)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        found = treatment.step(state, action, hours, noise)
        return dataclasses.replace(found, reward=reward(state, found.dose, found.hours, found.state))

    return dataclasses.replace(wrap(treatment), reward=reward, step=step)


def blind(treatment: Treatment) -> Treatment:
    """The treatment with the columns of the scan blanked in the observation."""
    columns = torch.tensor([k * len(FEATURES) + c for k in range(3) for c in BLIND_TO])

    def observe(state: PatientState) -> Tensor:
        return treatment.observe(state).index_fill(1, columns, 0.0)

    return dataclasses.replace(wrap(treatment), observe=observe)


def _truly(state: PatientState, rule: TumorReward) -> PatientState:
    vitals = state.vitals.clone()
    vitals[:, rule.volume] = recall(state.memory, "volume")
    return state.replace(vitals=vitals)


def _first(state: PatientState) -> PatientState:
    kept = len(FEATURES)
    return state.replace(vitals=state.vitals[:, :kept], seen=state.seen[:, :kept], age=state.age[:, :kept])


def _line(arm: str, label: str, policies: list[Policy], treatment: Treatment, patients: int) -> dict[str, Any]:
    """Mean over seeds, its interval over patients, and the range over seeds."""
    values: list[Value] = [rollout_value(treatment, policy, patients, FIRST, batch=512) for policy in policies]
    each = np.stack([value.returns for value in values]).mean(0)
    low, high = mean_interval(each)
    return {
        "arm": arm,
        "scans": label,
        "value": float(each.mean()),
        "low": low,
        "high": high,
        "seeds": [value.value for value in values],
    }


def _table(lines: list[dict[str, Any]]) -> list[str]:
    head = ["| the agent sees | scans | value (95 %) | seeds |", "| --- | --- | ---: | ---: |"]
    seen = {"scans": "what the encoder reads", "none": "no image", "truth": "the true volume"}
    return head + [
        f"| {seen[x['arm']]} | {x['scans']} | {x['value']:.3f} ({x['low']:.3f} to {x['high']:.3f}) | "
        f"{min(x['seeds']):.3f} to {max(x['seeds']):.3f} |".replace("-", "−").replace("| −−− |", "| --- |")
        for x in lines
    ]


if __name__ == "__main__":
    typer.run(main)
