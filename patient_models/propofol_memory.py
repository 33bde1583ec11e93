"""What the propofol model remembers of a patient and hides from agents, in groups of columns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SAMPLES = 14  # past effect-site concentrations kept: at 2.5 s apart they reach back over the longest delay


class PropofolMemory(NamedTuple):
    """The hidden columns in groups, each (k, B) float32; times in minutes, concentrations in ug/mL."""

    # Traits, drawn at admission
    decay: Tensor  # (3,) 1/min, of the modes of the patient's three compartments
    share: Tensor  # (3,) 1/L, of each mode in plasma
    effect_decay: Tensor  # (3,) ke0, 1/min, of the effect sites of the BIS and, twice, of arterial pressure
    half_effect: Tensor  # (1,) Ce50 of the BIS
    slopes: Tensor  # (2,) gamma of the BIS below and above Ce50
    awake: Tensor  # (1,) BIS without drug
    delay: Tensor  # (1,) minutes that the monitor lags
    opioid: Tensor  # (1,) what an opioid adds to C / Ce50
    stimulus: Tensor  # (2,) factor on the surgeon's stimuli, and minutes that they come late
    pressure: Tensor  # (4,) MAP without drug, greatest fall, and the two C50 of it
    pump_decay: Tensor  # (3,) the same modes as the pump believes them to be
    pump_share: Tensor  # (3,)
    pump_effect_decay: Tensor  # (1,)
    # Physiology, changing
    amounts: Tensor  # (6,) mg in each mode: three of plasma, three of effect sites
    pump_amounts: Tensor  # (4,) the same as the pump believes
    artefact: Tensor  # (1,) noise of the BIS, correlated in time
    past: Tensor  # (SAMPLES,) effect-site concentration, newest first
    ago: Tensor  # (SAMPLES,) minutes since each
    # What a clinician keeps in mind: all of it was visible once
    integral: Tensor  # (1,) minutes x BIS points above 50

    def pack(self) -> Tensor:
        """Memory (B, M), laid out by column, as `unpack` wants it."""
        return torch.cat(self).t()

    @classmethod
    def unpack(cls, memory: Tensor) -> PropofolMemory:
        """The groups of memory (B, M), each contiguous."""
        return cls(*memory.t().contiguous().split(tuple(SIZES.values())))


SIZES = {
    "decay": 3,
    "share": 3,
    "effect_decay": 3,
    "half_effect": 1,
    "slopes": 2,
    "awake": 1,
    "delay": 1,
    "opioid": 1,
    "stimulus": 2,
    "pressure": 4,
    "pump_decay": 3,
    "pump_share": 3,
    "pump_effect_decay": 1,
    "amounts": 6,
    "pump_amounts": 4,
    "artefact": 1,
    "past": SAMPLES,
    "ago": SAMPLES,
    "integral": 1,
}
"""Columns of each group."""

COLUMN = {
    name if size == 1 else f"{name}_{index}": sum(list(SIZES.values())[:place]) + index
    for place, (name, size) in enumerate(SIZES.items())
    for index in range(size)
}
"""Column of the memory by name; `decay_0`, `decay_1`, ... where a group has several."""

TRUTH = ("half_effect", "past_0", "decay_0", "decay_1", "decay_2", "pressure_0", "stimulus_0")
"""Hidden columns worth keeping as truth; `past_0` is the effect-site concentration now."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (...) of the memory (..., M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the propofol model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[..., COLUMN[name]]
