"""Drawing people with chronic untreated HIV, each at the steady state of their own traits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

from .hiv_dynamics import EFFECTOR_LOSS, EXHAUSTION, HALF_BIRTH, HALF_EXHAUSTION, set_point
from .hiv_memory import HIVMemory

TRAITS = (8e-7, 1e-4, 0.7, 13.0, 0.3)  # k1, k2, delta, c, bE of Adams et al. (2004), table 1
SLOWEST = 0.01  # 1/day: effectors decay at least that fast at the set point, so that nobody controls HIV untreated


def draw_adherence(noise: Tensor) -> Tensor:
    """Share of tablets taken (B, 1) from noise (B,): median .96, fifth percentile .74. A design choice."""
    share: Tensor = 1 - 0.3 * ndtr(noise) ** 3
    return share[:, None]


def draw_patients(noise: Tensor, variability: float) -> HIVMemory:
    """Untreated patients from noise (B, 5): traits lognormal with a SD of `variability` (a design choice).

    The effectors' response is capped where it would control the infection without treatment.
    """
    factors = torch.exp(variability * noise)
    k1, k2, death, clearance, response = (t * f for t, f in zip(TRAITS, factors.unbind(1), strict=True))
    infected = _infected(set_point((k1, k2), death, clearance, response))
    exhaustion = EXHAUSTION * infected / (infected + HALF_EXHAUSTION)
    most = (exhaustion + EFFECTOR_LOSS - SLOWEST) * (infected + HALF_BIRTH) / infected
    response = torch.minimum(response, most)
    return HIVMemory(k1, k2, death, clearance, response, *set_point((k1, k2), death, clearance, response))


def _infected(populations: tuple[Tensor, ...]) -> Tensor:
    return (populations[2] + populations[3]).clamp_min(1e-3)
