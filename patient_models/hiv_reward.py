"""What HIV therapy is judged by in the literature: immune effectors against virus and the burden of drugs."""

from __future__ import annotations

from torch import Tensor

from ..contracts import PatientState
from .hiv_memory import recall

STEP_HOURS = 120.0  # the five days that the published weights are for
DISCOUNT = 0.98  # per five days


def benefit(after: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
    """1000 E - .1 V - 20000 e1^2 - 2000 e2^2 (B,) per five days, from the hidden truth after the step.

    Ernst, Stan, Goncalves & Wehenkel (2006), "Clinical data based optimal STI strategies for HIV", IEEE CDC, on the
    model of Adams et al. (2004). dose (B, 2) efficacies, hours (B,).
    """
    gain = 1e3 * recall(after.memory, "effectors") - 0.1 * recall(after.memory, "virus")
    burden = 2e4 * dose[:, 0] ** 2 + 2e3 * dose[:, 1] ** 2
    return (gain - burden) * (hours / STEP_HOURS)
