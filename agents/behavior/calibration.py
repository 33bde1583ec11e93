"""Calibration of action probabilities on patients that the network was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TEMPERATURES = torch.logspace(-1, 2, 61, base=2.0)  # 0.5 .. 4; under 1 sharpens
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


@torch.no_grad()
def calibrate(logits: Sequence[Tensor], base: Tensor, action: Tensor) -> tuple[float, float]:
    """Temperature and share of `base` (A,) under which `action` (M,) is likeliest, given the members' logits (M, A).

    Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks", eq. 9), and a mixture with a
    base rate: where the networks know little, as after few patients, the share grows and the fit falls back to it.
    """
    best = (-torch.inf, 1.0, SHARES[0])
    for temperature in TEMPERATURES.tolist():
        taken = torch.stack([torch.softmax(member / temperature, 1).gather(1, action[:, None]) for member in logits])
        for share in SHARES:
            likelihood = float(((1 - share) * taken.mean(0)[:, 0] + share * base[action]).double().log().mean())
            best = max(best, (likelihood, temperature, share))
    return best[1], best[2]
