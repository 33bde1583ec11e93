"""posology/Propofol-v0: propofol by infusion to a bispectral index of 40 to 60, with a patient whose truth is known."""

from __future__ import annotations

from typing import Literal

from ..patient_models.propofol import Propofol
from ..patient_models.propofol_population import Eleveld, Population, Schnider
from . import reward as reward_of
from .actions import Action
from .dose_treatment import DoseTreatment
from .limits import known_limits


def propofol(
    *,
    population: Literal["eleveld", "schnider"] = "eleveld",
    remifentanil: float = 0.0,
    stimulation: float = 1.0,
    variability: float = 1.0,
    noise_sd: float = 3.0,
    horizon: int = 720,
    interval_hours: float = 5 / 3600,
    reward: str = "hypnosis_in_range",
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> DoseTreatment:
    """An hour of anaesthesia in steps of 5 s; eight infusion rates, or a continuous one.

    Patients are those of Eleveld (2018), or the shifted ones of Schnider (1998) and Bouillon (2004) with
    `remifentanil` ng/mL; the pump always predicts with Eleveld's typical patient. `stimulation` scales the surgeon's
    stimuli, `variability` how patients differ, `noise_sd` is that of the BIS. `enforce` masks and caps infusion rates
    above the hard limit. ValueError for another population.
    """
    patient = Propofol(
        population=_population(population, remifentanil),
        longest_hours=interval_hours,
        variability=variability,
        arousal=stimulation,
        noise_sd=noise_sd,
    )
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


def _population(name: str, remifentanil: float) -> Population:
    if name == "schnider":
        return Schnider(remifentanil)
    if name != "eleveld":
        raise ValueError(f"population: expected 'eleveld' or 'schnider', got {name!r}")
    if remifentanil:
        raise ValueError("remifentanil is an option of the population 'schnider'; Eleveld's patients have opioids")
    return Eleveld()
