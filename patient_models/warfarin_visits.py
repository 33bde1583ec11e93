"""When the anticoagulation clinic wants to see a patient again: soon after the start, a change or a bad INR.

Every number is a design choice after common practice, never medical advice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import PatientState
from .warfarin_spec import DAY, HIGH, INR, LOW
from .warfarin_titration import HELD

SHORTEST, LONGEST = 3 * DAY, 28 * DAY  # hours


def clinic_visits(state: PatientState, dose: Tensor) -> Tensor:
    """Hours (B,) until the next visit, from what is visible and the dose (B, U) mg/d decided on.

    3 days in the first five and while tablets are held; a week in the first two, after a change of dose by more than
    5 % or with an INR out of range; else two weeks, from the fourth week on four. A second dose column, where there is
    one, is a number of days ordered instead; 0 orders none.
    """
    inr, last = state.vitals[:, INR], state.last_dose[:, 0]
    days = state.hours / DAY
    steady = ((dose[:, 0] - last).abs() <= 0.05 * last) & (inr >= LOW) & (inr <= HIGH) & (days >= 13.5)
    usual = torch.where(steady, torch.where(days >= 27.5, 28.0, 14.0), 7.0)
    soon = (days < 5) | (inr > HELD) | (dose[:, 0] <= 0)
    wanted = torch.where(soon, 3.0, usual)
    if dose.shape[1] > 1:
        wanted = torch.where(dose[:, 1] > 0.5, dose[:, 1], wanted)
    return wanted * DAY
