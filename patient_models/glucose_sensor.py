"""A continuous glucose monitor: correlated, skewed noise, read out every few minutes.

Autoregressive latent noise (.7 over 15 minutes) through a Johnson SU transform, with the parameters published with
the table of virtual patients, after Breton & Kovatchev (2008), J Diabetes Sci Technol 2:853. There it is drawn every
15 minutes and interpolated; here it is the same process in continuous time.
"""

from __future__ import annotations

import torch
from torch import Tensor

LATENT_SD = (0.49 / 0.51) ** 0.5  # of e' = .7 (e + N(0, 1)), at rest
KEPT, SPAN = 0.7, 0.25  # correlation over that many hours
_GAMMA, _LAMBDA, _DELTA, _XI = -0.5444, 15.9574, 1.6898, -5.47
RANGE = (39.0, 600.0)  # mg/dL that the monitor shows


def wander(latent: Tensor, hours: Tensor, noise: Tensor) -> Tensor:
    """Latent noise (B,) `hours` (B,) later, from standard normals (B,)."""
    kept = KEPT ** (hours / SPAN)
    return kept * latent + LATENT_SD * (1 - kept * kept).sqrt() * noise


def reading(glucose: Tensor, latent: Tensor, share: float) -> Tensor:
    """What the monitor shows (B,) mg/dL of the true value, with a `share` 0..1 of its noise."""
    error = _XI + _LAMBDA * torch.sinh((latent - _GAMMA) / _DELTA)
    return (glucose + share * error).clamp(*RANGE)
