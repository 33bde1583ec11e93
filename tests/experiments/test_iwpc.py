"""The published warfarin equations on a small file made here, and on the consortium's own where it is at hand."""

import csv
import os
from pathlib import Path

import pytest
import torch
from posology.experiments.studies.iwpc import (
    PUBLISHED,
    PUBLISHED_R2,
    PUBLISHED_SIZES,
    explained,
    published_share,
    reproduce,
    score,
    table,
)
from posology.experiments.studies.iwpc_patients import IWPC_FILE, read_iwpc

PLAIN = {
    "Race": "White",
    "Gender": "male",
    "Age": "60 - 69",
    "Height (cm)": "170",
    "Weight (kg)": "70",
    "Target INR": "2.5",
    "Subject Reached Stable Dose of Warfarin": "1",
    "Therapeutic Dose of Warfarin": "41.1",
    "Amiodarone (Cordarone)": "0",
    "Carbamazepine (Tegretol)": "NA",
    "Phenytoin (Dilantin)": "0",
    "Rifampin or Rifampicin": "NA",
    "CYP2C9 consensus": "*1/*1",
    "VKORC1 -1639 consensus": "G/G",
    "VKORC1 1173 consensus": "NA",
    "VKORC1 2255 consensus": "NA",
    "VKORC1 1542 consensus": "NA",
}
UNMEASURED = {"VKORC1 -1639 consensus": "NA"}


@pytest.fixture
def write(tmp_path):
    def made(*changes):
        path = tmp_path / "patients.csv"
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(PLAIN))
            writer.writeheader()
            writer.writerows([{**PLAIN, **change} for change in changes])
            file.write("," * (len(PLAIN) - 1) + "\n")  # as in the file: a line without a patient at the end
        return path

    return made


def test_a_patient_is_read_as_the_equations_want_him(write):
    patients = read_iwpc(
        write({}, {"Race": "Unknown", "Age": "20 - 29", "Amiodarone (Cordarone)": "1", "Phenytoin (Dilantin)": "1"})
    )
    assert patients.person.tolist() == [[60, 70, 170, 0, 0, 0], [20, 70, 170, 3, 1, 1]]
    assert patients.complete.tolist() == [True, False]
    found = reproduce(patients)
    assert found["all"]["pharmacogenetic"]["by_dose"][1] == 0.5  # 41.1 mg is what the equation says
    assert any("Pharmacogenetic" in line for line in table(found))


def test_who_is_left_out_and_what_is_imputed_is_counted(write):
    patients = read_iwpc(
        write(
            {},
            {"Age": "NA"},
            {"Subject Reached Stable Dose of Warfarin": "0"},
            {"Target INR": "3.5"},
            {"Height (cm)": "NA", "Weight (kg)": "90"},
            {"Weight (kg)": "NA", "Gender": "female"},
            {**UNMEASURED, "VKORC1 1173 consensus": "C/T"},
            {**UNMEASURED, "VKORC1 1542 consensus": "C/C"},
            {**UNMEASURED, "VKORC1 1542 consensus": "C/C", "Race": "Black or African American"},
            {"CYP2C9 consensus": "*1/*5"},
        )
    )
    assert patients.genotype[:, 1].tolist() == [0, 0, 0, 1, 2, 3, 0]
    assert patients.genotype[-1, 0] == 6
    assert patients.person[1, 2] == 170  # white men's
    assert patients.person[2, 1].item() == pytest.approx((5 * 70 + 90) / 6)  # no other white woman: everybody's
    expected = {"no age": 1, "no stable dose": 1, "target INR not 2-3": 1, "heights imputed": 1, "weights imputed": 1}
    expected |= {"VKORC1 imputed from a linked site": 2, "VKORC1 unknown": 1, "CYP2C9 unknown or rare": 1}
    assert {name: patients.counts[name] for name in expected} == expected
    assert patients.complete.sum() == 1


def test_scores_by_hand():
    true = torch.tensor([10.0, 20.0, 40.0, 60.0]).double().numpy()
    s = score(true * [1.2, 0.7, 1.1, 1.3], true)
    assert s["within"] == 0.5 and s["by_dose"] == [0.5, 1.0, 0.0] and s["sizes"] == [2, 1, 1]
    assert explained(2 * true, true) == pytest.approx(1) and explained(0 * true + 35, true) == 0
    assert published_share("pharmacogenetic") == pytest.approx(0.46, abs=0.002)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("Race,Age\nWhite,60\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column"):
        read_iwpc(path)


@pytest.mark.skipif("POSOLOGY_DATA" not in os.environ, reason="POSOLOGY_DATA names no folder with the IWPC file")
def test_both_published_equations_reproduce():
    """Klein et al. (2009), table 3 and text: shares within 20 % by size of dose, and R2."""
    path = Path(os.environ["POSOLOGY_DATA"]) / IWPC_FILE
    if not path.is_file():
        pytest.skip(f"no {path}")
    patients = read_iwpc(path)
    assert abs(len(patients.dose) / sum(PUBLISHED_SIZES) - 1) < 0.07
    found = reproduce(patients)["all"]
    for name, published in PUBLISHED.items():
        assert found[name]["within"] == pytest.approx(published_share(name), abs=0.015), name
        assert found[name]["by_dose"] == pytest.approx(published, abs=0.02), name
    for name, published in PUBLISHED_R2.items():
        assert found[name]["r2"] == pytest.approx(published, abs=0.025), name
