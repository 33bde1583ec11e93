"""Which member of an ensemble each simulated patient follows: one for the stay, or a fresh one at every decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..contracts import PatientState, Step, Treatment
from .wrapped import Wrapped, wrap

Following = Literal["stay", "step"]


@runtime_checkable
class Ensemble(Protocol):
    """A learned patient of several members, of which each row follows one."""

    @property
    def members(self) -> int: ...
    def follow(self, state: PatientState, member: Tensor) -> PatientState: ...  # (B,) int64; -1: drawn at the next step


def by_member(treatment: Treatment, following: Following | int) -> Wrapped:
    """The treatment with every row following a member for its `stay`, a fresh one each `step`, or one by number.

    Where members differ no policy can lean on what one of them has wrong: for a stay it meets each one's errors in
    turn; step by step, their mixture; a single member is what a simulator without an ensemble would be. TypeError where
    the patient is no ensemble, ValueError for a member that it does not have.
    """
    patient = treatment.patient
    if not isinstance(patient, Ensemble):
        raise TypeError(f"following a member needs an ensemble, got {type(patient).__name__}")
    known = "'stay', 'step' or a member's number"
    if following not in ("stay", "step") and not (isinstance(following, int) and 0 <= following < patient.members):
        raise ValueError(f"expected {known} below {patient.members}, got {following!r}")
    redrawn = _follower(patient, following)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        return treatment.step(redrawn(state), action, hours, noise)

    return replace(wrap(treatment), step=step)


def _follower(patient: Ensemble, following: Following | int) -> Callable[[PatientState], PatientState]:
    if following == "stay":  # drawn by the patient's first step, and kept
        return lambda state: state
    number = -1 if following == "step" else int(following)
    return lambda state: patient.follow(state, torch.full_like(state.outcome, number))
