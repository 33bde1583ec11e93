"""posology/Tumor-v0: chemotherapy and radiotherapy of lung cancer, with a patient whose truth is known."""

from __future__ import annotations

from typing import Literal

from ..contracts import PatientModel
from ..patient_models.tumor import Tumor
from ..patient_models.tumor_benchmark import DAY, DECISIONS, TumorBenchmark
from ..patient_models.tumor_imaging import TumorImaging
from ..patient_models.tumor_spec import WEEK
from .dose_treatment import DoseTreatment
from .rewards import Reward, SurvivalReward
from .tumor_constraints import tumor_limits
from .tumor_reward import tumor_reward


def tumor(
    *,
    preset: Literal["treatment", "benchmark"] = "treatment",
    reward: Literal["chemoradiation", "survival"] = "chemoradiation",
    horizon: int | None = None,
    scan_weeks: int = 3,
    missed: float = 0.0,
    imaging: bool = False,
    alive: float = 1.0,
    died: float = 0.0,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
) -> DoseTreatment:
    """`treatment`: 5 x 2 levels of chemotherapy and radiotherapy every week for half a year, with their harms.

    `benchmark`: both or either every day for 58 decisions, as in the counterfactual literature; its reward is survival,
    and treating always is best. `alive` and `died` belong to survival; `enforce` masks and caps what the hard limits
    forbid; a scan is taken every `scan_weeks` and missed with probability `missed`. With `imaging`, each scan is
    rendered and what the shipped encoder reads in it takes the place of a radiologist's sizes.
    """
    if preset not in ("treatment", "benchmark"):
        raise ValueError(f"expected preset 'treatment' or 'benchmark', got {preset!r}")
    survival: Reward = SurvivalReward(alive, died)
    if preset == "benchmark":
        return DoseTreatment(
            TumorBenchmark(),
            reward_rule=survival,
            horizon=DECISIONS if horizon is None else horizon,
            interval_hours=DAY,
            enforce=enforce,
            bootstrap_at_horizon=bootstrap_at_horizon,
        )
    person = Tumor(scan_weeks=scan_weeks, missed=missed)
    patient: PatientModel = TumorImaging(person) if imaging else person
    weeks = 26 if horizon is None else horizon
    return DoseTreatment(
        patient,
        constraints=tumor_limits(patient.spec),
        reward_rule=tumor_reward(patient.spec, weeks * WEEK) if reward == "chemoradiation" else survival,
        horizon=weeks,
        interval_hours=WEEK,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
    )
