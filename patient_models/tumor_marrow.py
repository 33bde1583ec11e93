"""Neutrophils under chemotherapy: docetaxel kinetics and the marrow model of Friberg, with the figures of Ozawa.

Ozawa, Minami & Sato (2007), "Population pharmacokinetic and pharmacodynamic analysis for time courses of
docetaxel-induced neutropenia in Japanese cancer patients", Cancer Sci 98:1985, tables 2 and 3; structure of Friberg et
al. (2002), J Clin Oncol 20:4713. Time in hours:

P' = k P [(1 - slope C) (N0 / N)^g - 1],  three transit cells T1' = k (P - T1), ...,  N' = k (T3 - N),  k = 4 / MTT

One unit of chemotherapy counts as 40 mg of docetaxel (a design choice): the approved Japanese dose of 60 mg/m2 every
three weeks, 100 mg at 1.67 m2, is two and a half units. Left out: the rise of the count under dexamethasone, and acid
glycoprotein. A dose is a bolus at the start of its day instead of an infusion of an hour, which moves the nadir by
less than 1 %.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .propofol_kinetics import Compartments, modes

DOCETAXEL = 40.0  # mg per unit of chemotherapy
CLEARANCE, CLEARANCE_SD = 35.7, math.log1p(0.399**2) ** 0.5  # L/h; SDs of logarithms from published CVs
CENTRAL, CENTRAL_SD = 6.94, math.log1p(0.264**2) ** 0.5  # L
TO_FAST, FAST, TO_SLOW, SLOW = 5.58, 7.39, 12.5, 225.0  # Q2 L/h, V2 L, Q3 L/h, V3 L
TRANSIT, TRANSIT_SD = 113.0, math.log1p(0.111**2) ** 0.5  # MTT, h
SLOPE, SLOPE_SD = 17.9, math.log1p(0.682**2) ** 0.5  # L/mg
FEEDBACK = 0.196  # g
BASELINE, BASELINE_SD = 3.4, 0.3  # N0, 10^9/L: a design choice
RESIDUAL = 0.291  # SD of the logarithm of a measured count
SUBSTEPS = (1.0, 3.0, 8.0, 12.0)  # hours of a day, short where docetaxel falls fast: within 2 % for 99 % of counts
DRAWS = 5  # noise columns of `draw_marrow`
_LEAST = 1e-6  # 10^9/L


class Marrow(NamedTuple):
    """A patient's kinetics and marrow, in groups (k, B)."""

    decay: Tensor  # (3,) 1/h, of the modes of docetaxel
    share: Tensor  # (3,) 1/L, of each mode in plasma
    slope: Tensor  # (1,) L/mg
    rate: Tensor  # (1,) k, 1/h
    baseline: Tensor  # (1,) N0, 10^9/L
    amounts: Tensor  # (3,) mg in each mode
    cells: Tensor  # (5,) proliferating, three in transit, circulating, 10^9/L


def draw_marrow(noise: Tensor, variability: float = 1.0) -> Marrow:
    """Untreated patients from noise (B, 5)."""
    clearance, central, transit, slope, baseline = (variability * noise).unbind(1)
    one = torch.ones_like(slope)
    decay, share = modes(
        Compartments(
            central=CENTRAL * torch.exp(CENTRAL_SD * central),
            fast=FAST * one,
            slow=SLOW * one,
            elimination=CLEARANCE * torch.exp(CLEARANCE_SD * clearance),
            to_fast=TO_FAST * one,
            to_slow=TO_SLOW * one,
            effect=one,
        )
    )
    count = BASELINE * torch.exp(BASELINE_SD * baseline)[None]
    return Marrow(
        decay=decay,
        share=share,
        slope=(SLOPE * torch.exp(SLOPE_SD * slope))[None],
        rate=4 / (TRANSIT * torch.exp(TRANSIT_SD * transit))[None],
        baseline=count,
        amounts=torch.zeros_like(decay),
        cells=count.repeat(5, 1),
    )


def one_day(marrow: Marrow, units: Tensor, substeps: tuple[float, ...] = SUBSTEPS) -> tuple[Marrow, Tensor]:
    """The marrow a day after `units` (B,) of chemotherapy, and the mean share of the day in neutropenia (B,).

    Neutropenia counts as 1 / (1 + (N / .5)^4): half at .5e9/L, the limit of grade 4.
    """
    amounts, low = marrow.amounts + DOCETAXEL * units, torch.zeros_like(units)
    y = torch.cat((marrow.cells[:1].log(), marrow.cells[1:]))  # the logarithm of what falls a thousandfold is smooth
    for hours in substeps:
        left = amounts * torch.exp(-marrow.decay * hours)
        effect = (marrow.slope * marrow.share * (amounts - left) / marrow.decay).sum(0) / hours
        y = _runge_kutta(y, 1 - effect, marrow.rate[0] * hours, marrow.baseline[0])
        amounts = left
        low = low + hours / (1 + (y[4] / 0.5) ** 4)
    cells = torch.cat((y[:1].exp(), y[1:])).clamp_min(_LEAST)
    return marrow._replace(amounts=amounts, cells=cells), low / 24


def _runge_kutta(y: Tensor, kill: Tensor, kh: Tensor, baseline: Tensor) -> Tensor:
    """Log proliferating and other cells (5, B) after a sub-step of kh = k x hours (B,), the drug's effect averaged."""

    def slope(x: Tensor) -> Tensor:
        feedback = (baseline / x[4].clamp_min(_LEAST)) ** FEEDBACK
        chain = torch.cat((x[:1].exp(), x[1:]))
        return kh * torch.cat(((kill * feedback - 1)[None], chain[:-1] - chain[1:]))

    first = slope(y)
    second = slope(y + first / 2)
    third = slope(y + second / 2)
    fourth = slope(y + third)
    return y + (first + 2 * (second + third) + fourth) / 6
