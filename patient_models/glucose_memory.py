"""What the glucose model remembers of a patient and hides from agents, in groups of columns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MEALS_A_DAY = 6


class GlucoseMemory(NamedTuple):
    """The hidden columns in groups, each (k, B) float32."""

    patient: Tensor  # (1,) place in the table of virtual patients
    sensitivity: Tensor  # (1,) log factor on insulin's action, drifts from day to day
    body: Tensor  # (13,) state of the equations, mg, mg/kg or pmol/kg
    meal_base: Tensor  # (1,) mg in the stomach when the latest meal began
    meal_taken: Tensor  # (1,) mg eaten of it
    eating: Tensor  # (1,) 1 while a meal lasts
    sensor: Tensor  # (1,) latent noise of the sensor
    bolus_on_board: Tensor  # (1,) U/kg, as the pump reckons
    glucose: Tensor  # (1,) mg/dL under the skin, before the sensor's noise
    lowest: Tensor  # (1,) lowest of it within the last step, mg/dL
    starts: Tensor  # (meals,) hours since admission
    grams: Tensor  # (meals,) carbohydrates of each; 0: skipped
    estimates: Tensor  # (meals,) what the patient takes them for

    def pack(self) -> Tensor:
        """Memory (B, M), laid out by column, as `unpack` wants it."""
        return torch.cat(self).t()


def sizes(days: int) -> dict[str, int]:
    """Columns of each group, for `days` of meals."""
    meals = MEALS_A_DAY * days
    several = {"body": 13, "starts": meals, "grams": meals, "estimates": meals}
    return {name: several.get(name, 1) for name in GlucoseMemory._fields}


def unpack(memory: Tensor, days: int) -> GlucoseMemory:
    """The groups of memory (B, M), each contiguous."""
    return GlucoseMemory(*memory.t().contiguous().split(tuple(sizes(days).values())))


COLUMN = {
    name if size == 1 else f"{name}_{index + 1}": sum(list(sizes(0).values())[:place]) + index
    for place, (name, size) in enumerate(sizes(0).items())
    for index in range(size)
}
"""Column of the memory by name: all but the meals; the body's are body_1 ... body_13."""

TRUTH = ("patient", "sensitivity", "glucose", "lowest", "body_4", "body_6")
"""Hidden columns worth keeping as truth; body_4 is plasma glucose (mg/kg), body_6 plasma insulin (pmol/kg)."""


def recall(memory: Tensor, name: str) -> Tensor:
    """One column (...) of the memory (..., M) by name; KeyError names the known ones."""
    if name not in COLUMN:
        raise KeyError(f"the glucose model remembers no {name!r}; known: {', '.join(COLUMN)}")
    return memory[..., COLUMN[name]]
