"""posology/SepsisImaging-v0: septic shock with chest films; the agent sees what is read in them, or the films."""

from __future__ import annotations

import dataclasses

from ..patient_models.sepsis import Sepsis
from ..patient_models.sepsis_film_orders import FilmOrders
from ..patient_models.sepsis_imaging import SepsisImaging
from .actions import Action
from .dose_treatment import DoseTreatment
from .sepsis import sepsis


def sepsis_imaging(
    *,
    horizon: int = 18,
    interval_hours: float = 4.0,
    missed: float = 0.15,
    alive: float = 1.0,
    died: float = 0.0,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> DoseTreatment:
    """As `posology/Sepsis-v0`, but chest films are ordered as a clinician would, rendered, and read by a network.

    A share `missed` of the films ordered after admission is not taken. Lung water and true opacity stay hidden.
    """
    plain = sepsis(
        horizon=horizon,
        interval_hours=interval_hours,
        alive=alive,
        died=died,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
    )
    patient = SepsisImaging(Sepsis(longest_hours=interval_hours), FilmOrders(missed=missed))
    return dataclasses.replace(plain, patient=patient)
