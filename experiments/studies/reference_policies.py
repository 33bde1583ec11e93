"""Who is judged by off-policy studies: candidates made from a cohort that no cell of any study sees."""

from __future__ import annotations

from functools import cache

import torch

from ...agents.behavior import BehaviorConfig, fit_behavior
from ...contracts import Decisions, DiscretePolicy
from ...trajectories.rollout import rollout
from ..sources import clinician, true_treatment
from .candidates import Target, candidates

PATIENTS = 10**9 - 10**6  # seed of the first patient
REFERENCE = 3_000  # stays from which candidates are made


def everyone(environment: str, hidden: float = 0.0) -> dict[str, Target]:
    """The candidates of an environment, in a trial of which the clinician, as confounded as asked, does the rest."""
    fitted, logged = reference(environment)
    return candidates(true_treatment(environment).spec, fitted, logged, clinician(environment, 1.0, hidden))


@cache
def reference(environment: str) -> tuple[DiscretePolicy, Decisions]:
    """The fitted clinician that candidates start from, and the cohort that it was fitted to."""
    treatment = true_treatment(environment)
    logged = rollout(treatment, clinician(environment, 1.0, 0.0), REFERENCE, seed=PATIENTS).decisions
    cut = len(logged) * 4 // 5
    parts = logged.rows(torch.arange(cut)), logged.rows(torch.arange(cut, len(logged)))
    return fit_behavior(*parts, BehaviorConfig(actions=treatment.spec.actions, kind="logistic"), seed=0), logged
