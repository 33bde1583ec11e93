"""How a tumour grows and shrinks from one day to the next: the model of Geng, Paganetti & Grassberger (2017).

"Prediction of treatment response for combined chemo- and radiation therapy for non-small cell lung cancer patients
using a bio-mathematical model", Sci Rep 7:13542, as the counterfactual literature simulates it (Lim, Alaa & van der
Schaar 2018, "Forecasting treatment responses over time using recurrent marginal structural networks", NeurIPS):

V(t) = V(t-1) [1 + rho ln(K / V) - beta_c C - (alpha d + beta d^2) + e],  beta = alpha / 10,  e ~ N(0, .01^2)
C(t) = C(t-1) / 2 + 5 u

with V in cm3, C in mg/m3, d in Gy, u in units of chemotherapy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

CAPACITY = math.pi * 30**3 / 6  # K, cm3: a sphere of 30 cm
DEATH_DIAMETER = 13.0  # cm
DEATH_VOLUME = math.pi * DEATH_DIAMETER**3 / 6  # cm3; also what errors of volume are normalised by
CELL_DENSITY = 5.8e8  # cells/cm3
UNIT = 5.0  # mg/m3 that one unit of chemotherapy adds
FRACTION = 2.0  # Gy of a standard fraction
DAILY_NOISE = 0.01  # SD of e
ALPHA_BETA = 10.0  # Gy, alpha / beta
_SMALLEST = 1e-30  # cm3: only keeps the logarithm finite, far below one cell


class Tumor(NamedTuple):
    """A tumour's traits and its state at the start of a day, each (B,)."""

    alpha: Tensor  # 1/Gy, radiosensitivity
    growth: Tensor  # rho, 1/day
    chemosensitivity: Tensor  # beta_c, 1/day per mg/m3
    volume: Tensor  # V, cm3; 0 once cured
    concentration: Tensor  # C that is left of earlier days, mg/m3


def next_day(tumor: Tumor, units: Tensor, gray: Tensor, noise: Tensor) -> Tumor:
    """The tumour a day later, after `units` (B,) of chemotherapy and one fraction of `gray` (B,), noise (B,) N(0, 1).

    The volume may come out negative, which means that no cell is left; a volume of 0 stays 0.
    """
    concentration = tumor.concentration + UNIT * units
    grown = tumor.growth * (CAPACITY / tumor.volume.clamp_min(_SMALLEST)).log()
    killed = tumor.chemosensitivity * concentration + tumor.alpha * gray * (1 + gray / ALPHA_BETA)
    volume = tumor.volume * (1 + grown - killed + DAILY_NOISE * noise)
    return tumor._replace(volume=volume, concentration=concentration / 2)


def cure_probability(volume: Tensor) -> Tensor:
    """Probability (B,) that no cell of `volume` (B,) cm3 is clonogenic: exp(-cells), 1 where nothing is left."""
    return (-CELL_DENSITY * volume.clamp_min(0)).exp()


def diameter_of(volume: Tensor) -> Tensor:
    """Diameter (...) cm of a sphere of `volume` (...) cm3."""
    return (volume.clamp_min(0) * (6 / math.pi)) ** (1 / 3)


def volume_of(diameter: Tensor) -> Tensor:
    """Volume (...) cm3 of a sphere of `diameter` (...) cm."""
    return diameter**3 * (math.pi / 6)
