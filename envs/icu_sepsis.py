"""posology/ICUSepsis-v0: the public tabular MDP of sepsis care, exact values included."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from ..contracts import PatientState, Treatment
from ..patient_models.icu_sepsis import Inadmissible
from ..patient_models.icu_sepsis import icu_sepsis as patient
from ..patient_models.icu_sepsis_spec import HOURS
from ..patient_models.tabular import Tabular
from .available import only_available
from .dose_treatment import DoseTreatment
from .observation import BOUND
from .rewards import SurvivalReward
from .wrapped import Wrapped, wrap

View = Literal["record", "features", "state"]


def icu_sepsis(
    *,
    observation: View = "record",
    inadmissible: Inadmissible = "forbidden",
    horizon: int = 50,
    alive: float = 1.0,
    died: float = 0.0,
    bootstrap_at_horizon: bool = False,
) -> Treatment:
    """ICU-Sepsis: one of 5 x 5 dose levels every 4 h for `horizon` decisions; needs the `icu-sepsis` package.

    A policy sees the 47 measurements as a record shows them, with ages, doses and time ("record"); the bare
    "features" (47); or the "state" one-hot (713). The last two say nothing but the state, so that a policy's exact
    value follows by dynamic programming. A state's inadmissible actions are masked and, taken all the same, replaced
    by the nearest admissible one ("forbidden"), or act as the mean of the admissible ones ("mean").
    """
    table = patient(inadmissible, numbered=observation == "state")
    core = DoseTreatment(
        table,
        reward_rule=SurvivalReward(alive, died),
        horizon=horizon,
        interval_hours=HOURS,
        bootstrap_at_horizon=bootstrap_at_horizon,
    )
    treatment = core if inadmissible == "mean" else only_available(core, table)
    return treatment if observation == "record" else _seen_as(treatment, table, observation)


def observe_values(table: Tabular, values: Tensor, observation: View) -> Tensor:
    """The observation (B, O) of measurements (B, D) under "features" or "state"; ValueError for another name."""
    if observation == "features":
        return values.clamp(-BOUND, BOUND)
    if observation != "state":
        raise ValueError(f"observation: expected 'record', 'features' or 'state', got {observation!r}")
    return torch.nn.functional.one_hot(table.state_of(values), table.states).to(values.dtype)


def _seen_as(treatment: Treatment, table: Tabular, observation: View) -> Wrapped:
    size = observe_values(table, table.values[:1], observation).shape[1]

    def observe(state: PatientState) -> Tensor:
        return observe_values(table, state.vitals, observation)

    return replace(wrap(treatment), observe=observe, observation_dim=size)
