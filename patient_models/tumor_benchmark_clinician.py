"""The clinician of the tumour benchmark: the larger the tumour lately, the likelier each treatment today.

Lim et al. (2018), section 5: P(treat) = sigmoid(gamma / 13 (mean diameter of the last 15 days - 6.5)), for
chemotherapy and radiotherapy alike and independently.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.special import ndtr

from ..contracts import PatientState
from .tumor_growth import DEATH_DIAMETER, FRACTION

WINDOW = 15  # days looked back on, not counting today
GROWTH = 1  # column of the memory


@dataclass(frozen=True)
class BenchmarkClinician:
    """Gamma is `confounding`; `hidden_confounding` adds as much per SD of the tumour's hidden rate of growth.

    With gamma 0 every day is a coin toss. At 10, a small tumour is treated with a probability of a few per cent only.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0

    @property
    def noise_dim(self) -> int:
        return 2

    def log_odds(self, state: PatientState) -> Tensor:
        """Log-odds (B,) of either treatment today."""
        columns = state.memory.t()
        days, diameters = columns[-WINDOW - 1], columns[-WINDOW:]
        counted = torch.arange(WINDOW, device=days.device)[:, None] < days
        mean = torch.where(counted, diameters, 0.0).sum(0) / days
        shown = self.confounding * (mean - DEATH_DIAMETER / 2) / DEATH_DIAMETER
        return shown + self.hidden_confounding * ((columns[GROWTH] - 0.0062) / 0.0043).clamp(-2, 2)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Units and Gy (B, 2) of today from noise (B, 2), a column each."""
        treated: Tensor = ndtr(noise) < torch.sigmoid(self.log_odds(state))[:, None]
        return treated * noise.new_tensor((1.0, FRACTION))

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the treatments in `dose` (B, 2)."""
        log_odds = self.log_odds(state)[:, None]
        treated = dose > dose.new_tensor((0.5, FRACTION / 2))
        return torch.where(treated, logsigmoid(log_odds), logsigmoid(-log_odds)).sum(1)
