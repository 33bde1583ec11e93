"""posology/HIV-v0: structured treatment interruption with two drug classes, with a patient whose truth is known."""

from __future__ import annotations

from ..patient_models.hiv import HIV
from . import reward as reward_of
from .actions import Action
from .dose_treatment import DoseTreatment
from .limits import known_limits


def hiv(
    *,
    variability: float = 0.2,
    noise_sd: float = 0.2,
    horizon: int = 200,
    interval_hours: float = 120.0,
    reward: str = "hiv_benefit",
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> DoseTreatment:
    """Chronic HIV over 1,000 days in steps of five: either drug class off or at full efficacy, or anything between.

    `variability` is the SD of the logarithm of each trait (0: the published patient), `noise_sd` that of the measured
    log10 viral load. Nobody dies: a stay ends at the horizon.
    """
    patient = HIV(longest_hours=interval_hours, variability=variability, noise_sd=noise_sd)
    return DoseTreatment(
        patient,
        constraints=known_limits(patient.spec, interval_hours),
        reward_rule=reward_of(reward, patient.spec, horizon * interval_hours),
        horizon=horizon,
        interval_hours=interval_hours,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
    )
