"""Pessimism: a penalty where the learned patient does not know."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..contracts import LearnedModel, PatientState, Step, Treatment
from .wrapped import Wrapped, wrap


def pessimistic(treatment: Treatment, penalty: float, *, spared: float = 0.0) -> Wrapped:
    """Every decision costs `penalty` times what the learned patient's disagreement with itself has beyond `spared`.

    A policy trained on it stays where the ensemble agrees (MOPO: Yu et al. 2020, arXiv 2005.13239, eq. 7). Where every
    decision costs something, a short stay costs less than a long one, and an early death may pay: `spared` is what
    disagreement is usual (`patient_models.usual_disagreement`), so that usual doses are free. `reward` stays the
    treatment's own, so that rewards of logged stays and values are never penalised: only `step` is.
    TypeError where the patient is not a learned model, ValueError for a negative penalty or `spared`.
    """
    patient = treatment.patient
    if not isinstance(patient, LearnedModel):
        raise TypeError(f"pessimism needs a learned patient, got {type(patient).__name__}")
    for name, value in (("penalty", penalty), ("spared disagreement", spared)):
        if not value >= 0:
            raise ValueError(f"expected a {name} of at least 0, got {value}")

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        plain = treatment.step(state, action, hours, noise)
        beyond = (patient.disagreement(state, plain.dose, hours) - spared).clamp_min(0)
        return replace(plain, reward=plain.reward - penalty * beyond)

    return replace(wrap(treatment), step=step)
