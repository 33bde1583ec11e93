"""posology/Warfarin-v0: warfarin to an INR of 2-3 at irregular visits, with a patient whose truth is known."""

from __future__ import annotations

from typing import Literal

from ..patient_models.warfarin import Warfarin
from ..patient_models.warfarin_population import POPULATIONS
from ..patient_models.warfarin_visits import SHORTEST, clinic_visits
from . import reward as reward_of
from .actions import Action, ActionRule
from .dose_treatment import DoseTreatment
from .limits import known_limits
from .relative_doses import RelativeDoses

START = 5.0  # mg/d, from which relative changes begin


def warfarin(
    *,
    population: str = "hamberg",
    genotype: bool = True,
    choose_visits: bool = False,
    horizon: int = 30,
    reward: str = "inr_in_range",
    event: float | None = None,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action | Literal["relative"] = "levels",
) -> DoseTreatment:
    """The first 90 days on warfarin: 17 dose levels, relative changes or a continuous dose, at visits when due.

    The clinic's rule says when: after 3 days at the soonest, so that `horizon` visits always reach the horizon of 3
    days each. With `choose_visits` the next visit is part of the action: a second drug, in days, 0 as the rule says.
    `population` "han" is a shifted one, `genotype` False hides the genotypes. The reward is time in therapeutic range,
    or minus the "inr_distance", with `event` paid for bleeding or clotting. `enforce` masks and caps what the hard
    limits forbid. KeyError for an unknown population, ValueError for relative
    changes of visits.
    """
    if population not in POPULATIONS:
        raise KeyError(f"no population {population!r}; known: {', '.join(POPULATIONS)}")
    patient = Warfarin(population=POPULATIONS[population], genotype=genotype, review=choose_visits)
    if choose_visits and action == "relative":
        raise ValueError("visits cannot be chosen by relative changes: use levels or continuous actions")
    rule: Action | ActionRule = RelativeDoses(patient.spec, (START,)) if action == "relative" else action
    return DoseTreatment(
        patient,
        constraints=known_limits(patient.spec, SHORTEST),
        reward_rule=reward_of(reward, patient.spec, horizon * SHORTEST, **({} if event is None else {"event": event})),
        horizon=horizon,
        interval_hours=SHORTEST,
        visits=clinic_visits,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=rule,
    )
