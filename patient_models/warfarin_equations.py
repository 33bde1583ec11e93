"""Published equations for the dose of warfarin: the pharmacogenetic and the clinical one.

International Warfarin Pharmacogenetics Consortium (2009), "Estimation of the warfarin dose with clinical and
pharmacogenetic data", N Engl J Med 360:753-764, supplementary appendix: the square root of mg a week is linear in
decades of age, cm, kg, genotypes, self-reported race and co-medication. Race stays in for the sake of reproduction.
"""

from __future__ import annotations

from torch import Tensor

WEEK = 7.0
VKORC1_EFFECT = (0.0, -0.8677, -1.6974, -0.4854)  # G/G, A/G, A/A, unknown
CYP2C9_EFFECT = (0.0, -0.5211, -0.9357, -1.0616, -1.9206, -2.3312, -0.2188)  # as `CYP2C9`, then unknown
RACE_EFFECT = (0.0, -0.1092, -0.2760, -0.1032)  # white, Asian, black, mixed or missing
CLINICAL_RACE_EFFECT = (0.0, -0.6752, 0.4060, 0.0443)


def pharmacogenetic_dose(person: Tensor, genotype: Tensor) -> Tensor:
    """Dose (B,) mg a week. person (B, 6): age, cm and so on as in the spec, race 3 where mixed or missing.

    genotype (B, 2): category numbers of CYP2C9 and VKORC1, 6 and 3 where unknown.
    """
    age, weight, height, race, amiodarone, inducer = person.unbind(1)
    root = 5.6044 - 0.2614 * (age / 10).floor() + 0.0087 * height + 0.0128 * weight
    root = root + _pick(VKORC1_EFFECT, genotype[:, 1]) + _pick(CYP2C9_EFFECT, genotype[:, 0])
    return (root + _pick(RACE_EFFECT, race) + 1.1816 * inducer - 0.5503 * amiodarone).square()


def clinical_dose(person: Tensor) -> Tensor:
    """Dose (B,) mg a week without genotypes; person as for `pharmacogenetic_dose`."""
    age, weight, height, race, amiodarone, inducer = person.unbind(1)
    root = 4.0376 - 0.2546 * (age / 10).floor() + 0.0118 * height + 0.0134 * weight
    return (root + _pick(CLINICAL_RACE_EFFECT, race) + 1.2799 * inducer - 0.5695 * amiodarone).square()


def _pick(effects: tuple[float, ...], category: Tensor) -> Tensor:
    return category.new_tensor(effects)[category.long()]
