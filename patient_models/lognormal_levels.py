"""Level doses of a clinician whose intended dose is lognormal: exact level probabilities, and a draw from them.

Shared by the documented clinicians: dose = rule x exp(shift + spread x noise), snapped to the level that it falls
into, then moved to a neighbouring level now and then; every level keeps a little probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import Drug

NOTHING = 1e-9  # what a rule of zero counts as, so that its logarithm exists


@dataclass(frozen=True)
class LognormalLevels:
    """How a drug's intended dose becomes a level; ValueError for a spread, slip or floor that is no probability."""

    spread: float  # SD of the logarithm of the intended dose, redrawn at each decision
    slip: float = 0.1  # probability of a neighbouring level instead
    floor: float = 0.002  # probability that every level keeps

    def __post_init__(self) -> None:
        if not (self.spread > 0 and 0 <= self.slip < 1 and 0 < self.floor < 0.1):
            raise ValueError(f"expected spread > 0, slip in 0..1 and floor in 0..0.1, both exclusive, got {self}")

    def probs(self, drug: Drug, middle: Tensor, least: float | None = None) -> Tensor:
        """Probability of each level (B, L) of a dose lognormal around `middle` (B,) in the drug's unit.

        `least` replaces the lowest cut, where that is 0 and no lognormal dose would ever be none.
        """
        cuts = drug.cuts if least is None else (least, *drug.cuts[1:])
        log_cuts = torch.tensor(cuts, dtype=middle.dtype, device=middle.device).log()
        above = ndtr((middle.clamp_min(NOTHING).log()[:, None] - log_cuts) / self.spread)
        none = torch.zeros_like(above[:, :1])
        return self.blurred(torch.diff(1 - above, prepend=none, append=none + 1))

    def blurred(self, probs: Tensor) -> Tensor:
        """Level probabilities (B, L) after slips to a neighbouring level, and with the floor under each."""
        levels = probs.shape[1]
        edge = torch.ones_like(probs)
        edge[:, 1:-1] = 2  # an inner level slips either way
        leaving = self.slip * probs / edge
        slipped = (1 - self.slip) * probs
        slipped[:, 1:] += leaving[:, :-1]
        slipped[:, :-1] += leaving[:, 1:]
        return (1 - levels * self.floor) * slipped + self.floor


def draw_level(probs: Tensor, noise: Tensor) -> Tensor:
    """Level (B,) int64 by the inverse distribution function of probs (B, L) at Phi(noise), noise (B,)."""
    cumulated = probs.cumsum(1)[:, :-1].contiguous()
    chosen: Tensor = (ndtr(noise)[:, None] > cumulated).sum(1)
    return chosen
