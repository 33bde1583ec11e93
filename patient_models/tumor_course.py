"""A week of treatment: seven days of tumour, marrow and lung."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .tumor_growth import DEATH_VOLUME, cure_probability, next_day
from .tumor_marrow import one_day
from .tumor_memory import TumorMemory

FRACTIONS = 5  # a week, on its first days
FATAL_EXCESS = 15.0  # Gy of mean lung dose beyond tolerance that kill
SEPSIS = 0.01  # deaths per day of grade 4 neutropenia at 66 years
PER_YEAR = 0.03  # of age, on the logarithm of that
"""Design choices. `SEPSIS`: a tenth of such days brings a febrile episode, of which a tenth kills (9.5 % in hospital,
Kuderer et al. 2006, Cancer 106:2258). `FATAL_EXCESS` makes 1 % of courses of 60 Gy fatal (1.9 % with chemotherapy,
Palma et al. 2013, Int J Radiat Oncol Biol Phys 85:444)."""


class Course(NamedTuple):
    """What a week led to, each (B,) but for the first two."""

    memory: TumorMemory
    volumes: Tensor  # (7, B) cm3 at the end of each day
    cured: Tensor  # probability of a cure in the week
    infection: Tensor  # probability of death by neutropenic sepsis
    outgrown: Tensor  # bool: the tumour passed 13 cm
    suffocated: Tensor  # bool: the lung dose passed what is survived


def week(m: TumorMemory, age: Tensor, dose: Tensor, noise: Tensor) -> Course:
    """Seven days under units and Gy per week dose (B, 2), in patients of `age` (B,) years; noise (B, 7)."""
    units, gray = dose.t().contiguous().unbind(0)
    tumor, marrow = m.tumor(), m.marrow()
    spared, low = torch.ones_like(units), torch.zeros_like(units)
    outgrown = torch.zeros_like(units, dtype=torch.bool)
    nothing = torch.zeros_like(gray)
    volumes = []
    for day in range(7):
        given = (units - day).clamp(0, 1)  # one unit a day, until all is given
        tumor = next_day(tumor, given, gray / FRACTIONS if day < FRACTIONS else nothing, noise[:, day])
        spared = spared * (1 - cure_probability(tumor.volume))
        outgrown = outgrown | (tumor.volume > DEATH_VOLUME)
        tumor = tumor._replace(volume=tumor.volume.clamp(0, DEATH_VOLUME))
        volumes.append(tumor.volume)
        marrow, share = one_day(marrow, given)
        low = low + share
    total = m.gray + gray
    memory = m._replace(
        volume=tumor.volume[None],
        concentration=tumor.concentration[None],
        amounts=marrow.amounts,
        cells=marrow.cells,
        gray=total,
        neutropenia=low[None],
    )
    risk = 1 - torch.exp(-SEPSIS * torch.exp(PER_YEAR * (age - 66)) * low)
    lung = (m.lung_share * total)[0]
    return Course(memory, torch.stack(volumes), 1 - spared, risk, outgrown, lung > m.tolerance[0] + FATAL_EXCESS)


def inflamed(m: TumorMemory) -> Tensor:
    """Whether the lung dose has passed the patient's tolerance (B,) bool: symptomatic pneumonitis."""
    exceeded: Tensor = (m.lung_share * m.gray > m.tolerance)[0]
    return exceeded
