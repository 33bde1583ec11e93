"""What the sepsis model remembers of a patient and hides from agents: traits, physiology, and a little history."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Body(NamedTuple):
    """What changes within a step, each (B,); meanings and units as in `SepsisMemory`."""

    infection: Tensor
    vasodilation: Tensor
    reflex: Tensor
    plasma: Tensor
    tissue: Tensor
    lung_water: Tensor
    organ: Tensor
    lactate: Tensor
    creatinine: Tensor


class SepsisMemory(NamedTuple):
    """The hidden columns, each (B,) float32; `pack` and `unpack` turn them into the state's memory (B, M)."""

    # Traits, drawn at admission
    contractility: Tensor  # kc, 1 = healthy heart
    growth: Tensor  # r, 1/h, of the infection
    kill: Tensor  # k, 1/h, by antibiotics
    leak: Tensor  # capillary leak, 1 = typical
    half_effect: Tensor  # EC50, ug/L norepinephrine
    responsiveness: Tensor  # em, 1 = typical response to norepinephrine
    clearance: Tensor  # CL of norepinephrine, L/min
    arrhythmic: Tensor  # 1 where prone to arrhythmia
    toxic_concentration: Tensor  # cth, ug/L norepinephrine from which the heart suffers
    tolerated_fluid: Tensor  # fth, % of body weight from which the lung floods
    set_point: Tensor  # Pset of the baroreflex, mmHg
    vasoplegia: Tensor  # b, share of resistance lost at v = 1
    rate_offset: Tensor  # h_i, 1/min
    film_floor: Tensor  # O0, opacity without lung water
    creatinine_floor: Tensor  # Cr0, mg/dL
    wbc_factor: Tensor  # 1 = typical
    # Physiology, changing
    infection: Tensor  # s, hidden severity, about 0..1.3
    vasodilation: Tensor  # v, follows s slowly
    tone: Tensor  # eta, log resistance noise
    reflex: Tensor  # S, sympathetic drive 0..1
    plasma: Tensor  # v1, mL above normal
    tissue: Tensor  # v2, mL above normal
    lung_water: Tensor  # W, arbitrary units
    organ: Tensor  # D, organ dysfunction, 0..24
    lactate: Tensor  # L, mmol/L
    creatinine: Tensor  # Cr, mg/dL
    # Read-outs at the end of the last step, and over it
    pressure: Tensor  # MAP, mmHg
    heart_rate: Tensor  # 1/min
    cardiac_output: Tensor  # L/min
    mean_pressure: Tensor  # mean MAP over the last step, mmHg
    urine: Tensor  # mean over the last step, mL/kg/h
    risk: Tensor  # probability of death in the last step
    # What a clinician keeps in mind: all of it was visible once
    observations: Tensor  # how many
    mean_irregularity: Tensor  # over all observations
    first_film: Tensor  # at admission
    first_spo2: Tensor  # at admission, %
    wetness: Tensor  # film rise / .10 + SpO2 fall / 6 % over the first step
    # The clinician on duty ("as specified": persistent)
    assertiveness: Tensor  # a, factor on every change of norepinephrine
    cautious_start: Tensor  # 1 where the first fluid is the small one

    def body(self) -> Body:
        """The columns that change within a step."""
        return Body(*(getattr(self, name) for name in Body._fields))

    def pack(self) -> Tensor:
        """Memory (B, M)."""
        return torch.stack(self, 1)

    @classmethod
    def unpack(cls, memory: Tensor) -> SepsisMemory:
        """The columns of memory (B, M), each contiguous."""
        return cls(*memory.t().contiguous().unbind(0))


COLUMN = {name: index for index, name in enumerate(SepsisMemory._fields)}
"""Column of the memory by name."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (B,) of the memory (B, M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the sepsis model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[:, COLUMN[name]]
