"""Patients of whom there are pictures, for policies that read pixels themselves."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import PatientState, Treatment

Sight = Literal["vector", "image"]
"""What a shell shows: the usual vector, or a dictionary that holds it, the last picture and the picture's age."""


@runtime_checkable
class Pictured(Protocol):
    """A patient model that can draw what the last scan showed, as a pure function of the state."""

    @property
    def picture_shape(self) -> tuple[int, int]: ...  # height and width
    def pictures(self, state: PatientState) -> Tensor: ...  # (B, H, W) uint8
    def picture_age(self, state: PatientState) -> Tensor: ...  # (B,) hours since it was taken


def pictured(treatment: Treatment, observation: Sight) -> Pictured | None:
    """The treatment's patients as a source of pictures, None for vectors; ValueError where they have none."""
    if observation == "vector":
        return None
    if observation != "image":
        raise ValueError(f"expected observation='vector' or 'image', got {observation!r}")
    patient = treatment.patient
    if not isinstance(patient, Pictured):
        raise ValueError(f"observation='image' needs patients with scans, got {type(patient).__name__}: use 'vector'")
    return patient


def seen(pictures: Pictured | None, state: PatientState, vector: Tensor) -> Any:
    """Observations of B patients as fresh arrays: `vector` (B, O), or a dictionary of these.

    Its keys are `image` (B, 1, H, W) uint8, `age` (B, 1) days since the picture was taken, and `vector`.
    """
    if pictures is None:
        return fresh(vector)
    image, age = pictures.pictures(state)[:, None], pictures.picture_age(state)[:, None] / 24
    return {"image": fresh(image), "age": fresh(age), "vector": fresh(vector)}


def one(observations: Any, row: int) -> Any:
    """One row of what `seen` returned, as an array of its own."""
    if isinstance(observations, dict):
        return {name: column[row].copy() for name, column in observations.items()}
    return observations[row].copy()


def fresh(tensor: Tensor) -> NDArray[Any]:
    """An array of its own: nothing that a shell keeps can be changed through it."""
    return np.array(tensor.cpu().numpy())
