"""How glucose is judged: the symmetric risk function, and time in ranges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LOW, HIGH = 70.0, 180.0  # mg/dL
VERY_LOW, VERY_HIGH = 54.0, 250.0


def risk(glucose: Tensor) -> tuple[Tensor, Tensor]:
    """Risk of low and of high glucose (...) of values (...) mg/dL; either is 0 where the other is not.

    f = 1.509 (ln(G)^1.084 - 5.381), risk 10 f^2: Kovatchev et al. (1997), Diabetes Care 20:1655.
    """
    f = 1.509 * (glucose.clamp_min(1.0).log() ** 1.084 - 5.381)
    return 10 * f.clamp_max(0) ** 2, 10 * f.clamp_min(0) ** 2


@dataclass(frozen=True)
class TimeInRange:
    """Shares of time, each (...)."""

    inside: Tensor  # 70-180 mg/dL
    low: Tensor  # below 70
    very_low: Tensor  # below 54
    high: Tensor  # above 180
    very_high: Tensor  # above 250


def time_in_range(glucose: Tensor) -> TimeInRange:
    """Shares (...) of the values (..., T) mg/dL, evenly spaced in time.

    Ranges of the consensus of Battelino et al. (2019), Diabetes Care 42:1593.
    """

    def share(where: Tensor) -> Tensor:
        return where.to(torch.float32).mean(-1)

    return TimeInRange(
        share((glucose >= LOW) & (glucose <= HIGH)),
        share(glucose < LOW),
        share(glucose < VERY_LOW),
        share(glucose > HIGH),
        share(glucose > VERY_HIGH),
    )
