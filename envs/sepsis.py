"""posology/Sepsis-v0: fluid and norepinephrine in septic shock, with a patient whose truth is known."""

from __future__ import annotations

from ..patient_models.sepsis import Sepsis
from .actions import Action
from .constraints import sepsis_limits
from .dose_treatment import DoseTreatment
from .rewards import SurvivalReward


def sepsis(
    *,
    horizon: int = 18,
    interval_hours: float = 4.0,
    alive: float = 1.0,
    died: float = 0.0,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> DoseTreatment:
    """The composite sepsis model: a dose of each drug every `interval_hours` for `horizon` decisions (72 h).

    Actions are 5 x 5 dose levels, or continuous. The reward is paid at the end: `alive` or `died`. `enforce` masks
    and caps what the hard dose limits forbid.
    """
    patient = Sepsis(longest_hours=interval_hours)
    return DoseTreatment(
        patient,
        constraints=sepsis_limits(patient.spec, interval_hours),
        reward_rule=SurvivalReward(alive, died),
        horizon=horizon,
        interval_hours=interval_hours,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
    )
