"""The two equations of the International Warfarin Pharmacogenetics Consortium."""

import pytest
import torch
from posology.patient_models.warfarin_equations import clinical_dose, pharmacogenetic_dose
from posology.patient_models.warfarin_spec import CYP2C9, VKORC1

PERSON = torch.tensor([[65.0, 70.0, 170.0, 0.0, 0.0, 0.0]])


def dose(person: torch.Tensor = PERSON, cyp2c9: float = 0.0, vkorc1: float = 0.0) -> float:
    return pharmacogenetic_dose(person, torch.tensor([[cyp2c9, vkorc1]])).item()


def changed(**values: float) -> torch.Tensor:
    columns = ("age", "weight", "height", "race", "amiodarone", "inducer")
    person = PERSON.clone()
    for name, value in values.items():
        person[0, columns.index(name)] = value
    return person


def test_the_worked_example() -> None:
    """65 years, 170 cm, 70 kg, white, *1/*1, G/G: 41.1 mg a week; (4.0376 - 1.5276 + 2.006 + .938)^2 without them."""
    assert dose() == pytest.approx(41.1, abs=0.05)
    assert clinical_dose(PERSON).item() == pytest.approx(5.454**2, abs=0.01)


def test_every_term_by_hand() -> None:
    root = 5.6044 - 0.2614 * 6 + 0.0087 * 170 + 0.0128 * 70
    for cyp2c9, effect in zip(range(7), (0, -0.5211, -0.9357, -1.0616, -1.9206, -2.3312, -0.2188), strict=True):
        assert dose(cyp2c9=cyp2c9) == pytest.approx((root + effect) ** 2, rel=1e-5)
    for vkorc1, effect in zip(range(4), (0, -0.8677, -1.6974, -0.4854), strict=True):
        assert dose(vkorc1=vkorc1) == pytest.approx((root + effect) ** 2, rel=1e-5)
    for race, effect in zip(range(4), (0, -0.1092, -0.2760, -0.1032), strict=True):
        assert dose(changed(race=race)) == pytest.approx((root + effect) ** 2, rel=1e-5)
    assert dose(changed(inducer=1)) == pytest.approx((root + 1.1816) ** 2, rel=1e-5)
    assert dose(changed(amiodarone=1)) == pytest.approx((root - 0.5503) ** 2, rel=1e-5)


def test_decades_are_whole_and_the_old_need_less() -> None:
    assert dose(changed(age=60)) == dose(changed(age=69.9)) > dose(changed(age=70))
    clinical = [clinical_dose(changed(race=race)).item() for race in range(4)]
    assert clinical[1] < clinical[0] < clinical[3] < clinical[2]


def test_sensitive_genotypes_need_less() -> None:
    by_star = [dose(cyp2c9=CYP2C9.index(g)) for g in ("*1/*1", "*1/*2", "*1/*3", "*2/*3", "*3/*3")]
    by_base = [dose(vkorc1=VKORC1.index(g)) for g in ("G/G", "A/G", "A/A")]
    assert by_star == sorted(by_star, reverse=True) and by_base == sorted(by_base, reverse=True)
