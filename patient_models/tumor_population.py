"""Who has the tumour: stages, sizes and traits of Geng et al. (2017), drawn from standard normals.

Numbers as the counterfactual literature uses them (Lim et al. 2018; Melnychuk, Frauen & Feuerriegel 2022, "Causal
transformer for estimating counterfactual outcomes", ICML). Stage counts there follow Detterbeck & Gibson (2008), J
Thorac Oncol 3:781. Every draw is exact and costs the same for each patient: truncated distributions are inverted, not
rejected.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr as normal_cdf
from torch import Tensor
from torch.special import ndtr, ndtri

STAGES = ("I", "II", "IIIA", "IIIB", "IV")
COUNTS = (1432, 128, 1306, 7248, 12840)
SIZES = ((1.72, 4.70, 5.0), (1.96, 1.63, 13.0), (1.91, 9.40, 13.0), (2.76, 6.87, 13.0), (3.86, 8.82, 13.0))
"""Mean and SD of log diameter (cm) before truncation, and the upper limit (cm), by stage."""
SMALLEST = 0.3  # cm, the lower limit
ALPHA, ALPHA_SD = 0.0398, 0.168  # 1/Gy
GROWTH, GROWTH_SD = 7e-5, 7.23e-3  # rho, 1/day
CORRELATION = 0.87  # of alpha and rho, before both are required to be positive
CHEMO, CHEMO_SD = 0.028, 0.0007  # beta_c, 1/day per mg/m3
ADVANTAGE = 0.1  # of the mean: alpha of type 1 and beta_c of type 3 are that much higher
_KNOTS, _WIDEST = 4001, 5.5  # of the table of alpha, in standard normals

DRAWS = 6  # noise columns of `draw_traits`


class Traits(NamedTuple):
    """What a patient is admitted with, each (B,) float32."""

    stage: Tensor  # number in STAGES
    kind: Tensor  # 1, 2 or 3: type 1 responds better to radiotherapy, type 3 to chemotherapy
    diameter: Tensor  # cm
    alpha: Tensor  # 1/Gy
    growth: Tensor  # rho, 1/day
    chemosensitivity: Tensor  # beta_c, 1/day per mg/m3


def draw_traits(
    noise: Tensor,
    kind: Tensor | None = None,
    *,
    stage: Tensor | None = None,
    smallest: float = SMALLEST,
    largest: float = 13.0,
) -> Traits:
    """Patients from noise (B, 6), of the types `kind` and stages `stage` (B,) where given.

    Diameters are truncated to smallest..largest (cm) as well as by stage.
    """
    which, third, size, radio, growth, chemo = noise.double().unbind(1)
    drawn = _category(which, COUNTS) if stage is None else stage.long()
    patient = _category(third, (1, 1, 1)) + 1 if kind is None else kind
    alpha = _alpha(radio)
    traits = Traits(
        stage=drawn,
        kind=patient,
        diameter=_diameter(drawn, size, smallest, largest),
        alpha=alpha + ADVANTAGE * ALPHA * (patient == 1),
        growth=_growth(alpha, growth),
        chemosensitivity=CHEMO + CHEMO_SD * chemo + ADVANTAGE * CHEMO * (patient == 3),
    )
    return Traits(*(t.to(noise.dtype) for t in traits))


def _category(noise: Tensor, weights: tuple[int, ...]) -> Tensor:
    """Numbers (B,) 0, 1, ... with probabilities proportional to `weights`, by the inverse distribution function."""
    edges = np.cumsum(weights)[:-1] / sum(weights)
    exceeded: Tensor = ndtr(noise)[:, None] > torch.tensor(edges, device=noise.device)
    return exceeded.sum(1)


def _diameter(stage: Tensor, noise: Tensor, smallest: float, largest: float) -> Tensor:
    """Truncated lognormal diameters (B,) cm of patients in these stages (B,) int64."""
    mean, sd, most = noise.new_tensor(SIZES)[stage].unbind(1)
    low: Tensor = ndtr((noise.new_tensor(max(smallest, SMALLEST)).log() - mean) / sd)
    high: Tensor = ndtr((most.clamp_max(largest).log() - mean) / sd)
    log: Tensor = mean + sd * ndtri(low + (high - low) * ndtr(noise))
    return log.exp()


def _alpha(noise: Tensor) -> Tensor:
    """Radiosensitivity (B,) from its marginal distribution among patients with positive alpha and rho."""
    place = ((noise + _WIDEST) * ((_KNOTS - 1) / (2 * _WIDEST))).clamp(0, _KNOTS - 1.001)
    table, left = _alpha_table(noise.device), place.floor().long()
    return table[left] + (place - left) * (table[left + 1] - table[left])


def _growth(alpha: Tensor, noise: Tensor) -> Tensor:
    """Growth rate rho (B,) given alpha (B,): a normal truncated to positive values."""
    mean = GROWTH + CORRELATION * GROWTH_SD * (alpha - ALPHA) / ALPHA_SD
    sd = GROWTH_SD * (1 - CORRELATION**2) ** 0.5
    drawn: Tensor = mean - sd * ndtri(ndtr(mean / sd) * ndtr(-noise))
    return drawn.clamp_min(1e-9)


@functools.lru_cache(maxsize=8)
def _alpha_table(device: torch.device) -> Tensor:
    """Alpha (K,) float64 at evenly spaced standard normals: density N(alpha) P(rho > 0 | alpha) on alpha > 0."""
    alpha = np.linspace(0, ALPHA + 6.5 * ALPHA_SD, 400_001)
    z = (alpha - ALPHA) / ALPHA_SD
    mean = GROWTH + CORRELATION * GROWTH_SD * z
    density = np.exp(-z * z / 2) * normal_cdf(mean / (GROWTH_SD * (1 - CORRELATION**2) ** 0.5))
    cumulated: NDArray[np.float64] = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    wanted = normal_cdf(np.linspace(-_WIDEST, _WIDEST, _KNOTS))
    return torch.tensor(np.interp(wanted, cumulated / cumulated[-1], alpha), device=device)
