"""Experiment configs: plain YAML, validated, with `key.path=value` overrides and a stable hash."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

CONFIGS = Path(__file__).parent / "configs"
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Learner = Literal["ppo", "masked_ppo", "maskable_ppo", "dqn", "sac"]  # sac: continuous doses
OfflineAgent = Literal[  # td3_bc: continuous doses
    "cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q", "td3_bc"
]


class ConfigError(ValueError):
    """A config that cannot be run, said in one sentence per fault."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SimulatedCohort(_Frozen):
    """Patients of a mechanistic model under its documented clinician, written as MEDS and read like any record."""

    kind: Literal["simulated"]
    source: str = "sepsis"
    patients: Count = 4000
    confounding: Amount = 1.0  # how strongly doses follow the severity that the record shows
    hidden_confounding: Amount = 0.0  # ... and what it does not show


class RecordCohort(_Frozen):
    """Health records in MEDS form; `${NAME}` in the path is read from the environment."""

    kind: Literal["records"]
    path: str
    task: str


AnyCohort = SimulatedCohort | RecordCohort


class ShapingConfig(_Frozen):
    """A change of severity paid while policies learn; values are always reported without it, and beside it with it."""

    severity: dict[str, float]  # weight of each feature, per half-width of its reference range; positive: high is worse
    keeps_optimum: bool = True  # potential-based: the best policy stays the best


class RewardConfig(_Frozen):
    """What a stay is worth; of survival, with 1 and 0 a value reads as a probability."""

    kind: str | None = None  # of the table of rewards; None: the patients' own, or survival
    alive: float = 1.0
    died: float = 0.0
    shaping: ShapingConfig | None = None


class SimulatorConfig(_Frozen):
    """The learned patient: an ensemble of LSTMs."""

    members: Count = 3
    hidden: Count = 64
    epochs: Count = 40
    patience: Count = 8
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Amount = 1e-4
    bootstrap: bool = False  # each LSTM from patients drawn anew: more apart, but each the poorer
    bfloat16: bool = False  # train the recurrence in half the bits
    image_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of scans hidden in training


class BehaviorConfig(_Frozen):
    """The fitted clinician."""

    kind: Literal["logistic", "network", "trees", "nearest"] = "network"
    calibration: Literal["temperature", "isotonic"] = "temperature"
    sites: bool | Literal["auto"] = "auto"  # an effect of each site, or clinician; auto: where two have enough stays
    refits: Annotated[int, Field(ge=0)] = 6  # fits to resampled patients, for the intervals; 0: taken for right

    @field_validator("refits")
    @classmethod
    def _enough(cls, refits: int) -> int:
        if refits == 1:
            raise ValueError("one refit shows no scatter: expected 0, or at least 2")
        return refits


class PPOConfig(_Frozen):
    """Learning in the learned environment, once per penalty; one policy is chosen from data alone."""

    steps: Count = 300_000
    environments: Count = 256
    rollout: Count = 6  # decisions of each between updates; where all stays last as long, as many as a stay has
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = (0.3, 1.0, 3.0)
    spared: Annotated[float, Field(ge=0, le=1)] = 0.9  # of the logged decisions: their disagreement costs nothing
    sharpness: Annotated[float, Field(gt=0)] = 4.0  # power of a learned policy's probabilities; 1: as learned
    unsupported_limit: Share = (
        0.4  # of the policy's probability, on actions the fitted clinician takes < 1 % of the time
    )
    second_members: Annotated[int, Field(ge=0)] = 2  # LSTMs of the second simulator, which chooses and claims; 0: none


class EvaluationConfig(_Frozen):
    """How policies are judged on held-out stays."""

    estimators: tuple[str, ...] = (
        "importance_sampling",
        "per_decision_importance_sampling",
        "weighted_importance_sampling",
        "weighted_per_decision_importance_sampling",
    )
    critic: Literal["none", "linear", "network"] = "linear"  # adds fitted Q, doubly robust, MAGIC; checks the clinician
    critic_sees: Literal["observations", "belief"] = "observations"  # or what the simulator infers from all of a course
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    level: Share = 0.95
    draws: Count = 1000
    simulator_stays: Count = 4000
    true_stays: Count = 10_000


class ExperimentConfig(_Frozen):
    """One experiment: a cohort, a simulator learned from it, policies trained in that, and their evaluation."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str = ""
    seed: int = 0
    device: str = "cpu"
    cohort: Annotated[AnyCohort, Field(discriminator="kind")]
    external: Annotated[AnyCohort, Field(discriminator="kind")] | None = None  # where the simulator is tested as well
    split_salt: str = ""  # patients are split by a hash of salt and number: adding patients moves nobody
    reward: RewardConfig = RewardConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    behavior: BehaviorConfig = BehaviorConfig()
    learner: Learner = "ppo"  # what learns in the simulator, with the steps and penalties of `ppo`
    ppo: PPOConfig = PPOConfig()
    offline: tuple[OfflineAgent, ...] = ()  # what learns from the records themselves, to be judged beside it
    blends: tuple[Share, ...] = (0.05, 0.1, 0.2, 0.3)  # the boldest that the records support is told
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that change with any setting but the path to the data and the device."""
        content = self.model_dump(mode="json", exclude={"device": True, "cohort": {"path"}, "external": {"path"}})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """The config of a YAML file, or of a shipped one by name, with `key.path=value` overrides applied.

    ConfigError for a missing file, broken YAML, an unknown key (naming the nearest known one) or a bad value.
    """
    path = _find(source)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # not UTF-8, a date that is none, nested without end
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    for override in overrides:
        _override(content, override)
    try:
        return ExperimentConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, e) for e in error.errors())) from None


def shipped() -> list[str]:
    """Names of the configs that come with the package."""
    return sorted(p.stem for p in CONFIGS.glob("*.yaml"))


def data_path(path: str) -> Path:
    """`path` with `${NAME}` replaced from the environment; ConfigError where NAME is unset or the path missing."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f"{path}: set the environment variable {match[1]}, or override cohort.path=...")
        return os.environ[match[1]]

    full = Path(re.sub(r"\$\{(\w+)\}", value, path)).expanduser()
    if not full.exists():
        raise ConfigError(f"cohort.path: {full} does not exist")
    return full


def _find(source: str | Path) -> Path:
    for path in (Path(source), CONFIGS / f"{source}.yaml"):
        if path.is_file():
            return path
    raise ConfigError(f"no config {str(source)!r}: expected a YAML file, or one of {', '.join(shipped())}")


def _override(content: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"override {override!r}: expected key.path=value")
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"override {override!r}: {parent!r} holds a value, not settings")
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: {value!r} is not valid YAML") from error


def _explain(path: Path, error: Any) -> str:
    place = [part for part in error["loc"] if part not in ("simulated", "records")]
    where = ".".join(map(str, place))
    if error["type"] != "extra_forbidden":
        return f"{path}: {where}: {error['msg']}, got {error.get('input')!r}"
    known = _known_keys([str(part) for part in place[:-1]])
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.0)
    return f"{path}: unknown key {where!r}; did you mean {near[0]!r}? Known here: {', '.join(sorted(set(known)))}"


def _known_keys(parents: list[str]) -> list[str]:
    models: dict[str, tuple[type[BaseModel], ...]] = {
        "cohort": (SimulatedCohort, RecordCohort),
        "external": (SimulatedCohort, RecordCohort),
        "reward": (RewardConfig,),
        "reward.shaping": (ShapingConfig,),
        "simulator": (SimulatorConfig,),
        "behavior": (BehaviorConfig,),
        "ppo": (PPOConfig,),
        "evaluation": (EvaluationConfig,),
    }
    found = models.get(".".join(parents), models[parents[0]]) if parents else (ExperimentConfig,)
    return [key for model in found for key in model.model_fields]
