"""Bleeding and clotting by INR: published relative risks by band, on published rates in the therapeutic range.

Oake, Jennings, Forster, Fergusson, Doucette & van Walraven (2008), CMAJ 179:235-244: against an INR of 2-3,
haemorrhage is 2.7 times as frequent at 3-5 and 21.8 times above 5, thromboembolism 3.5 times below 2. Holbrook et al.
(2012), Chest 141(2 Suppl):e152S, tables 9 and 10, on the same studies: major haemorrhage 1.1 times as frequent below 2,
thromboembolism .9 times at 3-5; for a patient of moderate risk in range, 2.3 and 4.0 per 100 patient-years.
Thromboembolism above 5 is taken to be as frequent as at 3-5 (a design choice).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

YEAR = 365.25 * 24  # hours
BLEEDING = tuple(0.023 * risk for risk in (1.1, 1.0, 2.7, 21.8))  # per patient-year, by band of `BANDS`
CLOTTING = tuple(0.040 * risk for risk in (3.5, 1.0, 0.9, 0.9))


def event(hours: Tensor, noise: Tensor) -> Tensor:
    """Outcome (B,) int64 of `hours` (4, B) in each band, noise (B, 2): 0 none, 1 major bleeding, 2 thromboembolism.

    The two are independent; where both happen, bleeding counts.
    """
    rates = hours.new_tensor((BLEEDING, CLOTTING)) / YEAR
    risk = -torch.expm1(-(rates @ hours))  # (2, B)
    bleeds, clots = ndtr(noise.t()) < risk
    return torch.where(bleeds, 1, torch.where(clots, 2, 0))
