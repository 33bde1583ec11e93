"""Truncation outside support: a stay ends, as badly as can be, where the learned patient does not know."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ..contracts import LearnedModel, PatientState, Step, Treatment
from .wrapped import Wrapped, wrap


def halted(treatment: Treatment, limit: float, *, worst: float = 0.0) -> Wrapped:
    """A decision about which the learned patient's disagreement is above `limit` ends the stay with reward `worst`.

    So what policies are worth here is a lower bound of what they are worth where the model is right within the limit
    (MOReL: Kidambi et al. 2020, arXiv 2005.05951, definition 2, whose unknown states become one absorbing state). With
    a reward of survival the worst is that of a death. `reward` stays the treatment's own: only `step` ends stays.
    TypeError where the patient is not a learned model, ValueError for a negative limit or a `worst` that is no number.
    """
    patient = treatment.patient
    if not isinstance(patient, LearnedModel):
        raise TypeError(f"truncation outside support needs a learned patient, got {type(patient).__name__}")
    if not limit >= 0:
        raise ValueError(f"expected a limit of at least 0, got {limit}")
    if not math.isfinite(worst):
        raise ValueError(f"expected a finite reward of unknown decisions, got {worst}")

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        plain = treatment.step(state, action, hours, noise)
        unknown = patient.disagreement(state, plain.dose, hours) > limit
        return replace(
            plain,
            reward=torch.where(unknown, worst, plain.reward),
            terminated=plain.terminated | unknown,
            truncated=plain.truncated & ~unknown,
        )

    return replace(wrap(treatment), step=step)
