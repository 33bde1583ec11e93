"""What a run will do: every stage with all that it depends on, worked out before anything is done.

A stage is one entry here and one `run.stage(name, build, load)` where it is done. Its key changes with its settings
and its code, and with the keys of the stages that it needs: a finished stage is reused exactly as long as nothing
that its result depends on has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..agents.table import LABELS
from ..trajectories.task_file import load_task
from .code import code_key
from .config import AnyCohort, ExperimentConfig, SimulatedCohort, data_path
from .sources import source
from .worth import reward_name, reward_options

REFERENCES = ("linear", "persistence")  # the simpler patients that the learned one is compared with
SECOND = "second_simulator"  # in which nothing is trained: it chooses among policies and tells what they are worth


@dataclass(frozen=True)
class Planned:
    """One stage: what a person is told while it works, and what its result depends on."""

    name: str
    title: str
    settings: Mapping[str, Any]  # as JSON has them
    needs: Mapping[str, str]  # key by name, of the stages whose results it reads

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that change with any setting and with any stage that it needs."""
        return key_of(name=self.name, settings=self.settings, needs=self.needs)


Plan = Mapping[str, Planned]


def key_of(**parts: object) -> str:
    """Hexadecimal key of JSON-able parts, which change it when they change."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def planned(plan: Plan, name: str, title: str, *needs: str, **settings: object) -> Planned:
    """A stage that reads what the stages `needs` of `plan` made, under `settings`."""
    return Planned(name, title, json.loads(json.dumps(settings, default=str)), {n: plan[n].key for n in needs})


def plan_of(config: ExperimentConfig) -> Plan:
    """Every stage of a run in the order of its work; ConfigError where the data are not there."""
    plan: dict[str, Planned] = {}

    def add(name: str, title: str, *needs: str, **settings: object) -> None:
        plan[name] = planned(plan, name, title, *needs, **settings)

    _add_records(config.cohort, config.seed, add)
    split = {"seed": config.seed, "split_salt": config.split_salt}
    patients, policies, verdicts = (code_key(kind) for kind in ("patients", "policies", "verdicts"))
    add(
        "simulator",
        "learning the simulator",
        "records",
        simulator=config.simulator.model_dump(),
        code=patients,
        **split,
    )
    second = [SECOND] if config.ppo.second_members else []
    for name in second:
        add(name, "learning a second simulator", "records", simulator=second_settings(config), code=patients, **split)
    for name in REFERENCES:
        add(f"reference_{name}", f"fitting the {name} model", "records", code=patients, **split)
    fitted = config.behavior.model_dump(exclude={"refits"})
    add("behavior", "fitting the clinician", "records", behavior=fitted, code=policies, **split)
    anew = ["behavior_refits"] if (refits := config.behavior.refits) else []
    for name in anew:
        add(name, "fitting the clinician anew", "records", behavior=fitted, refits=refits, code=policies, **split)
    add("imitation", "imitating the clinician", "behavior", code=policies, **split)
    reward: dict[str, object] = {"kind": reward_name(config), **reward_options(config)}
    if config.reward.shaping is not None:
        reward["shaping"] = config.reward.shaping.model_dump()
    shared = config.ppo.model_dump(exclude={"penalties", "unsupported_limit", "second_members"})
    trained = []
    for penalty in (0.0, *config.ppo.penalties):
        learner = LABELS[config.learner]
        title = f"training {learner}, penalty {penalty:g}" if penalty else f"training {learner} without penalty"
        settings = {"penalty": penalty, "ppo": shared, "reward": reward, "discount": config.evaluation.discount}
        trained.append(learner_stage(config, penalty))
        add(trained[-1], title, "simulator", "imitation", code=policies, **settings, **split)
    worth = {"evaluation": config.evaluation.model_dump(), "reward": reward}
    add("choice", "weighing penalties", "simulator", *second, "behavior", *trained, code=verdicts, **worth, **split)
    for name in config.offline:
        settings = {"reward": reward, "discount": config.evaluation.discount}
        trained.append(offline_stage(name))
        add(trained[-1], f"learning from records, {LABELS[name]}", "records", code=policies, **settings, **split)
    references = [f"reference_{name}" for name in REFERENCES]
    add("fidelity", "testing the simulator", "simulator", *references, code=verdicts, **split)
    if config.external is not None:
        _add_records(config.external, config.seed, add, "external_")
        add(
            "external",
            "testing it elsewhere",
            "simulator",
            *references,
            "external_records",
            code=verdicts,
            seed=config.seed,
        )
    judged = {"code": verdicts, "evaluation": config.evaluation.model_dump(), "blends": config.blends, "reward": reward}
    limit = config.ppo.unsupported_limit
    add(
        "evaluation",
        "judging policies",
        "simulator",
        *second,
        "choice",
        "behavior",
        *anew,
        *trained,
        **judged,
        unsupported_limit=limit,
        **split,
    )
    return plan


def second_settings(config: ExperimentConfig) -> dict[str, Any]:
    """Settings of the second simulator: fewer LSTMs, each fitted to patients drawn anew."""
    return {**config.simulator.model_dump(), "members": config.ppo.second_members, "bootstrap": True}


def learner_stage(config: ExperimentConfig, penalty: float) -> str:
    """Name of the stage in which the learner of a run trains under `penalty`."""
    return f"{config.learner}_{penalty:g}"


def offline_stage(name: str) -> str:
    """Name of the stage in which an agent learns from the records of a run."""
    return f"offline_{name}"


def _add_records(cohort: AnyCohort, seed: int, add: Callable[..., None], prefix: str = "") -> None:
    here, away = version("posology"), " elsewhere" if prefix else ""
    if isinstance(cohort, SimulatedCohort):
        add(
            f"{prefix}cohort",
            f"simulating patients{away}",
            version=here,
            cohort=cohort.model_dump(),
            seed=seed,
            code=code_key("policies"),
        )
        task = load_task(source(cohort.source).task).model_dump(mode="json")
        add(f"{prefix}records", f"reading records{away}", f"{prefix}cohort", task=task, code=code_key("records"))
    else:
        task = load_task(cohort.task).model_dump(mode="json")
        files = listing(data_path(cohort.path))
        read = {"version": here, "files": files, "task": task, "code": code_key("records")}
        add(f"{prefix}records", f"reading records{away}", **read)


def listing(path: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file: cheap to look at, and different after any edit."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    return {str(f.relative_to(path.parent)): (f.stat().st_size, f.stat().st_mtime_ns) for f in files}
