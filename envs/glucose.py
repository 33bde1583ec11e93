"""posology/Glucose-v0: basal and bolus insulin in type 1 diabetes, with a patient whose truth is known."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from ..contracts import PatientState
from ..patient_models.glucose import Glucose
from . import reward as reward_of
from .actions import Action
from .dose_treatment import DoseTreatment
from .limits import known_limits

LONGEST = 3.0  # hours without a decision


def glucose(
    *,
    group: str = "all",
    variability: float = 0.15,
    misjudged: float = 0.2,
    noise: float = 1.0,
    horizon: int = 288,
    interval_hours: float = 1 / 12,
    decisions: Literal["regular", "meals"] = "regular",
    reward: str = "glucose_risk",
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> DoseTreatment:
    """A day, from midnight, in steps of 5 minutes: 5 basal rates times 5 boluses, or continuous doses of both.

    `group` is all, adolescent, adult or child; `variability` the SD of the log sensitivity to insulin, `misjudged`
    that of announced meals, `noise` the share of the sensor's noise. The stay ends beyond 10 and 600 mg/dL.
    With `decisions="meals"` they are irregular: at every meal, and at the latest three hours after the last; a bolus is
    then the rate for `interval_hours`, which no two decisions are closer than. `enforce` withholds a bolus below 70
    mg/dL. ValueError for other decisions.
    """
    if decisions not in ("regular", "meals"):
        raise ValueError(f"decisions: expected 'regular' or 'meals', got {decisions!r}")
    irregular = decisions == "meals"
    patient = Glucose(
        group=group,
        days=math.ceil(horizon * interval_hours / 24 - 1e-6),
        interval_hours=interval_hours,
        longest_hours=LONGEST if irregular else 0.0,
        substep_minutes=2.0 if irregular else 1.0,
        variability=variability,
        misjudged=misjudged,
        noise=noise,
    )

    def until_next(state: PatientState, dose: Tensor) -> Tensor:
        return patient.next_decision(state)

    return DoseTreatment(
        patient,
        constraints=known_limits(patient.spec, interval_hours),
        reward_rule=reward_of(reward, patient.spec, horizon * interval_hours),
        horizon=horizon,
        interval_hours=interval_hours,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
        visits=until_next if irregular else None,
    )
