"""Does imaging help? A rule and policies that see scans, none, or the true size, at ever rarer scans.

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
from ...contracts import Clinician, PatientState, Policy, Spec, Step, Treatment
from ...envs import sb3_env
from ...envs.dose_treatment import DoseTreatment
from ...envs.tumor_constraints import tumor_limits
from ...envs.tumor_reward import TumorReward, tumor_reward
from ...envs.wrapped import wrap
from ...evaluation.true_value import mean_interval, rollout_value
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_rule import TumorRule
from ...patient_models.tumor_spec import FEATURES, SPEC, WEEK
from ..stages import write_text
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.imaging_value"
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
    steps: Annotated[int, typer.Option(min=1, help="Decisions that each policy is trained on.")] = 100_000,
    seeds: Annotated[
        int, typer.Option(min=0, help="Policies trained for each kind of sight; 0: judge the rule alone.")
    ] = 3,
    patients: Annotated[int, typer.Option(min=50, help="On whom each policy is judged, the same for all.")] = 400,
) -> None:
    """Train, judge and tabulate."""
    torch.set_num_threads(1)
    console = Console()
    docs.mkdir(parents=True, exist_ok=True)
    actors: dict[str, dict[str, list[Policy | Clinician]]] = {"rule": _rules()}
    if seeds:
        actors["policy"] = {
            arm: [_policy(work / f"imaging_value_{arm}_{s}_{steps}", arm, s, steps, console) for s in range(seeds)]
            for arm in ("scans", "none", "truth")
        }
    found = _kept(docs / "imaging_value.json", {"steps": steps, "seeds": seeds, "patients": patients})
    for who, arms in actors.items():
        if who not in found:
            found[who] = _judge(arms, patients, console)
            write_text(docs / "imaging_value.json", json.dumps(found, indent=1) + "\n")
    page = docs / "imaging.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Images as part of the state\n"
    for who in actors:
        body = "\n".join(_table(found[who]))
        text = put_block(text, f"imaging value, {who}", "", body, command=COMMAND)
    write_text(page, text)


def _kept(path: Path, settings: dict[str, int]) -> dict[str, Any]:
    """What was found before under the same settings."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if all(found.get(name) == value for name, value in settings.items()) else dict(settings)


def _rules() -> dict[str, list[Policy | Clinician]]:
    """The documented rule, which reads the size, and the same with no regard to it."""
    return {"scans": [TumorRule()], "none": [TumorRule(small=0.0, large=1e9)], "truth": [TumorRule()]}


def _judge(arms: dict[str, list[Policy | Clinician]], patients: int, console: Console) -> list[dict[str, Any]]:
    """A line for no image, for every schedule, and for the true volume; differences are paired by patient."""
    cores = [("none", "no scan", judged(blind(_core(Tumor()))))]
    for label, weeks, missed in CONDITIONS:
        cores.append(("scans", label, judged(_core(ReadSizes(TumorImaging(Tumor(weeks, missed)))))))
    cores.append(("truth", "every week", judged(_core(Tumor(1, 0.0, 0.0)))))
    lines, base = [], None
    for arm, label, core in cores:
        values = [rollout_value(core, actor, patients, FIRST, batch=512) for actor in arms[arm]]
        each = np.stack([value.returns for value in values]).mean(0)
        base = each if base is None else base
        line = {"arm": arm, "scans": label, "value": float(each.mean()), "seeds": [v.value for v in values]}
        line |= dict(zip(("low", "high"), mean_interval(each), strict=True))
        line |= {"gap": float((each - base).mean())}
        line |= dict(zip(("gap_low", "gap_high"), mean_interval(each - base), strict=True))
        lines.append(line)
        console.print(f"{label}: {line['value']:.3f} ({line['gap']:+.3f})")
    return lines


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


def _table(lines: list[dict[str, Any]]) -> list[str]:
    """Markdown lines."""
    seen = {"scans": "what the encoder reads", "none": "no image", "truth": "the true volume"}
    rows = [
        "| what is seen | scans | value (95 %) | minus no image, paired (95 %) | seeds |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for x in lines:
        value = f"{x['value']:.3f} ({x['low']:.3f} to {x['high']:.3f})"
        gap = "" if x["arm"] == "none" else f"{x['gap']:+.3f} ({x['gap_low']:+.3f} to {x['gap_high']:+.3f})"
        seeds = f"{min(x['seeds']):.3f} to {max(x['seeds']):.3f}" if len(x["seeds"]) > 1 else ""
        cells = (cell.replace("-", "−") for cell in (value, gap, seeds))
        rows.append(f"| {seen[x['arm']]} | {x['scans']} | {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    typer.run(main)
