"""Whom warfarin is given to, and the constants of its model in them: Hamberg's, and a Han cohort as a shifted one.

Hamberg et al. (2010), Clin Pharmacol Ther 87:727: clearance per CYP2C9 allele, EC50 per VKORC1 allele, age, transit
times. SD of the logarithms of clearance .298 and volume .232; of EC50 .34, which keeps genotype worth as much as in
patients (.58, the other reading of the published number, does not). EC50 is scaled by .77, so that doses are those of
the International Warfarin Pharmacogenetics Consortium (a design choice).

Xia, Cai, Chen, Jiang & Zhang (2024), Sci Rep 14:14894: a Han cohort; weight and amiodarone act on EC50, clearance is
Hamberg's and the dose is taken as a whole, not as its S half.

Allele frequencies by ancestry: 1000 Genomes superpopulations (European, East Asian, African), table 1 of Shendre,
Dillon & Limdi (2018), Pharmacogenomics 19:1357; the Han cohort's own. Hardy-Weinberg proportions. Mixture of
ancestries, body size, co-medication and its effect on clearance are design choices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

CONTEXT_NOISE = 10  # age, size, height, ancestry, four alleles, two drugs
TRAIT_NOISE = 5  # clearance, volume, EC50, baseline INR, diet
_GENOTYPE = ((0, 1, 2), (1, 3, 4), (2, 4, 5))  # number of the CYP2C9 genotype by its two alleles


@dataclass(frozen=True)
class Population:
    """Constants of the model and of who is admitted; doses in mg of racemate, hours, L, mg/L."""

    clearance: tuple[float, float, float] = (0.174, 0.0879, 0.0422)  # L/h per allele *1, *2, *3
    half_effect: tuple[float, float] = (2.05, 0.96)  # mg/L per VKORC1 allele G, A
    half_effect_scale: float = 0.77
    active: float = 0.5  # share of the dose that the concentration counts: the S enantiomer
    volume: float = 14.3
    absorption: float = 2.0  # 1/h
    hill: float = 1.15
    transit: tuple[float, float] = (28.6, 118.3)  # h, of the fast and the slow chain
    per_year: float = -0.00571  # of clearance, from 71 years on
    spread: tuple[float, float, float] = (0.298, 0.232, 0.34)  # SD of log clearance, volume and EC50
    baseline: tuple[float, float] = (1.05, 0.05)  # INR without drug: mean, SD
    amiodarone: tuple[float, float] = (0.75, 1.0)  # factors on clearance and EC50
    inducer: float = 1.5  # factor on clearance
    weight_power: float = 0.0  # of EC50, around 60 kg
    # Who is admitted
    ancestry: tuple[float, float, float] = (0.60, 0.25, 0.15)  # shares of white, Asian, black
    alleles: tuple[tuple[float, float, float], ...] = (  # frequency of *2, *3, VKORC1 A by ancestry
        (0.124, 0.073, 0.388),
        (0.001, 0.034, 0.885),
        (0.008, 0.002, 0.054),
    )
    age: tuple[float, float] = (68.0, 12.0)  # years: mean, SD
    mass_index: float = 27.0  # kg/m2, median; 3 less in Asians
    height: tuple[float, float] = (170.0, 9.5)  # cm: mean, SD; 6 less in Asians
    takes: tuple[float, float] = (0.08, 0.01)  # share on amiodarone, on an inducer


HAMBERG = Population()
HAN = Population(
    half_effect=(4.3, 1.14),
    half_effect_scale=1.0,
    active=1.0,
    hill=1.39,
    transit=(27.2, 110.9),
    spread=(0.0, 0.0, math.sqrt(math.log1p(0.558**2))),
    baseline=(1.13, 0.05),
    amiodarone=(1.0, 1 - 0.602),
    weight_power=1.34,
    ancestry=(0.0, 1.0, 0.0),
    alleles=((0.0, 0.0285, 0.8965),) * 3,
    age=(54.7, 12.5),
    mass_index=25.4,
    height=(169.0, 8.0),
    takes=(0.257, 0.0),
)
POPULATIONS = {"hamberg": HAMBERG, "han": HAN}


def draw_person(p: Population, noise: Tensor) -> Tensor:
    """Age, weight, height, ancestry, amiodarone and inducer (B, 6) from noise (B, 6)."""
    shares = noise.new_tensor(p.ancestry).cumsum(0)
    ancestry = (ndtr(noise[:, 3:4]) > shares[:2]).sum(1)
    asian = (ancestry == 1).to(noise.dtype)
    height = (p.height[0] - 6 * asian + p.height[1] * noise[:, 2]).clamp(140, 205)
    index = ((p.mass_index - 3 * asian) * torch.exp(0.18 * noise[:, 1])).clamp(16, 50)
    takes = (ndtr(noise[:, 4:6]) < noise.new_tensor(p.takes)).to(noise.dtype)
    age = (p.age[0] + p.age[1] * noise[:, 0]).clamp(20, 100)
    return torch.stack((age, index * (height / 100) ** 2, height, ancestry.to(noise.dtype), *takes.unbind(1)), 1)


def draw_genotype(p: Population, ancestry: Tensor, noise: Tensor) -> Tensor:
    """CYP2C9 and VKORC1 genotype (B, 2) as category numbers, of an ancestry (B,), from noise (B, 4), one per allele."""
    star_2, star_3, low = noise.new_tensor(p.alleles)[ancestry.long()].unbind(1)
    place = ndtr(noise)
    star = (place[:, :2] < (star_2 + star_3)[:, None]).long() + (place[:, :2] < star_3[:, None]).long()
    cyp = torch.tensor(_GENOTYPE, device=noise.device)[star[:, 0], star[:, 1]]
    vkorc = (place[:, 2:] < low[:, None]).sum(1)
    return torch.stack((cyp, vkorc), 1).to(noise.dtype)


def typical(p: Population, person: Tensor, genotype: Tensor) -> tuple[Tensor, Tensor]:
    """Clearance (B,) L/h and EC50 (B,) mg/L of the typical patient of this age, size, co-medication and genotype."""
    age, weight, _, _, amiodarone, inducer = person.unbind(1)
    first, second, third = p.clearance
    pairs = (2 * first, first + second, first + third, 2 * second, second + third, 2 * third)
    clearance = person.new_tensor(pairs)[genotype[:, 0].long()] * (1 + p.per_year * (age - 71))
    high, low = p.half_effect
    half = person.new_tensor((2 * high, high + low, 2 * low))[genotype[:, 1].long()] * p.half_effect_scale
    half = half * (weight / 60) ** p.weight_power
    clearance = clearance * (1 + (p.amiodarone[0] - 1) * amiodarone) * (1 + (p.inducer - 1) * inducer)
    return clearance, half * (1 + (p.amiodarone[1] - 1) * amiodarone)
