"""Treatments around treatments: a treatment as the record of its parts, of which a wrapper replaces a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..contracts import BeliefModel, Constraint, PatientModel, PatientState, Spec, Step, Treatment


@dataclass(frozen=True)
class Wrapped:
    """A `Treatment` in parts; `dataclasses.replace(wrap(treatment), step=...)` is the same but for its `step`.

    Parts are taken as they are and do not call one another: whoever replaces `reward`, `decode` or `interval` and
    wants a step to know of it replaces `step` too.
    """

    patient: PatientModel
    spec: Spec
    constraints: tuple[Constraint, ...]
    actions: int | None
    observation_dim: int
    horizon: int
    horizon_hours: float
    noise_dim: int
    admit_noise_dim: int
    bootstrap_at_horizon: bool
    believer: BeliefModel | None
    admit: Callable[[Tensor], PatientState]
    observe: Callable[[PatientState], Tensor]
    allowed: Callable[[PatientState], Tensor | None]
    encode: Callable[[PatientState, Tensor], Tensor]
    decode: Callable[[PatientState, Tensor], Tensor]
    interval: Callable[[PatientState, Tensor], Tensor]
    reward: Callable[[PatientState, Tensor, Tensor, PatientState], Tensor]
    step: Callable[[PatientState, Tensor, Tensor, Tensor], Step]


def wrap(treatment: Treatment) -> Wrapped:
    """Every part of the treatment, ready to be replaced."""
    parts: dict[str, Any] = {part.name: getattr(treatment, part.name) for part in dataclasses.fields(Wrapped)}
    return Wrapped(**parts)
