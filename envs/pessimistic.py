"""Pessimism: a penalty where the learned patient does not know."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..contracts import LearnedModel, PatientState, Step, Treatment
from .wrapped import Wrapped, wrap


def pessimistic(treatment: Treatment, penalty: float) -> Wrapped:
    """Every decision costs `penalty` times the learned patient's disagreement with itself about what comes next.

    A policy trained on it stays where the ensemble agrees (MOPO: Yu et al. 2020, arXiv 2005.13239, eq. 7). `reward`
    stays the treatment's own, so that rewards of logged stays and values are never penalised: only `step` is.
    TypeError where the patient is not a learned model, ValueError for a negative penalty.
    """
    patient = treatment.patient
    if not isinstance(patient, LearnedModel):
        raise TypeError(f"pessimism needs a learned patient, got {type(patient).__name__}")
    if not penalty >= 0:
        raise ValueError(f"expected a penalty of at least 0, got {penalty}")

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        plain = treatment.step(state, action, hours, noise)
        return replace(plain, reward=plain.reward - penalty * patient.disagreement(state, plain.dose, hours))

    return replace(wrap(treatment), step=step)
