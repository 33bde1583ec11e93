"""Patients of whom there are pictures, for policies that read pixels themselves."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from ..contracts import PatientState, Treatment


@runtime_checkable
class Pictured(Protocol):
    """A patient model that can draw what the last scan showed, as a pure function of the state."""

    @property
    def picture_shape(self) -> tuple[int, int]: ...  # height and width
    def pictures(self, state: PatientState) -> Tensor: ...  # (B, H, W) uint8
    def picture_age(self, state: PatientState) -> Tensor: ...  # (B,) hours since it was taken


def pictured(treatment: Treatment) -> Pictured:
    """The treatment's patients as a source of pictures; ValueError where they are none."""
    patient = treatment.patient
    if not isinstance(patient, Pictured):
        raise ValueError(f"observation='image' needs patients with scans, got {type(patient).__name__}: use 'vector'")
    return patient
