"""What a choice among penalties may go by: support on tuning patients, and worth in a second simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..agents.behavior import FittedBehavior
from ..agents.network import NetworkPolicy
from ..agents.records import LoggedData
from ..agents.support import unsupported_share
from ..contracts import Policy, Progress, Treatment
from ..evaluation.true_value import rollout_value
from ..patient_models.lstm import LSTMEnsemble
from .config import ExperimentConfig
from .ensembles import simulator_of
from .learners import acts_by, levelled
from .reading import Cohort
from .stages import Run, write_text

FIRST_WEIGHED = 3 * 10**12  # seeds of the patients met here, in the choice alone


@dataclass(frozen=True)
class Grounds:
    """What every learner of a run stands on."""

    patient: LSTMEnsemble
    second: LSTMEnsemble | None  # other networks, in which nothing is trained
    simulator: Treatment
    logged: LoggedData
    behavior: FittedBehavior
    start: NetworkPolicy  # the fitted clinician in PPO's own network


@dataclass(frozen=True)
class Trained:
    """A policy learned under one penalty, and what a choice may know of it."""

    penalty: float
    policy: Policy
    unsupported: float  # share of its probability on what clinicians hardly do, on tuning patients
    second: float | None  # its worth in the second simulator


def weighed(
    config: ExperimentConfig, run: Run, cohort: Cohort, known: Grounds, policies: Mapping[float, Policy]
) -> list[Trained]:
    """The policies by penalty, with support and worth, both from data; one stage of the run."""

    def worth(policy: Policy) -> float | None:
        if known.second is None:
            return None
        place = simulator_of(config, cohort.task, known.second, action=acts_by(policy))
        stays, discount = config.evaluation.simulator_stays, config.evaluation.discount
        return rollout_value(place, policy, stays, FIRST_WEIGHED + config.seed * 10**9, discount=discount).value

    def build(folder: Path, progress: Progress) -> None:
        rows = []
        for number, (penalty, policy) in enumerate(policies.items()):
            progress(number / len(policies), f"penalty {penalty:g}")
            levels = levelled(policy, known.simulator.spec)
            unsupported = unsupported_share(known.logged.tuning, levels, known.behavior)
            rows.append({"penalty": penalty, "unsupported": unsupported, "second": worth(policy)})
        write_text(folder / "choice.json", json.dumps(rows, indent=1) + "\n")

    rows = run.stage("choice", build, lambda folder: json.loads((folder / "choice.json").read_text("utf-8")))
    return [Trained(r["penalty"], policies[r["penalty"]], r["unsupported"], r["second"]) for r in rows]
