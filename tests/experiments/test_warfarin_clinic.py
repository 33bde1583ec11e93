"""The study of the warfarin clinic computes what its table says, and writes it into the page."""

import json

import pytest
from posology.experiments.studies import warfarin_clinic
from posology.experiments.studies.warfarin_clinic import clinic, explained_by_equations, genotype_row
from posology.patient_models.warfarin import Warfarin
from posology.patient_models.warfarin_rules import Titration


def test_doses_by_genotype_keep_their_order():
    plain, low = genotype_row("*1/*1", "G/G"), genotype_row("*3/*3", "A/A")
    for kind in ("published_parameters", "scaled", "equation", "han"):
        assert low[kind] < 0.25 * plain[kind]
    assert plain["scaled"] < plain["published_parameters"]


def test_equations_explain_part_of_what_patients_need():
    found = explained_by_equations(300)
    assert 0.15 < found["pharmacogenetic"] < 0.6 and found["clinical"] < found["pharmacogenetic"]


def test_half_a_year_is_summed_up():
    found = clinic(Titration(), Warfarin(), 80)
    first, second, late = found["in_range"]
    assert 0 < first < second < late < 1
    assert 0 <= found["above_5"] <= found["above_4"] <= 1 and 8 < found["visits"] < 30


def test_tables_are_put_into_the_page(tmp_path, monkeypatch: pytest.MonkeyPatch):
    row = {"in_range": [0.4, 0.6, 0.7], "above_4": 0.4, "above_5": 0.1, "dose": 4.0, "visits": 14.0}
    monkeypatch.setattr(warfarin_clinic, "clinic", lambda *_: {**row, "bleeding": 3.0, "clotting": 7.0})
    monkeypatch.setattr(warfarin_clinic, "explained_by_equations", lambda: {"pharmacogenetic": 0.3, "clinical": 0.1})
    monkeypatch.setattr(warfarin_clinic, "GENOTYPES", (("*1/*1", "G/G"),))
    warfarin_clinic.main(docs=tmp_path, patients=100)
    warfarin_clinic.main(docs=tmp_path, patients=100)
    text = (tmp_path / "patients" / "warfarin.md").read_text(encoding="utf-8")
    assert text.count("| Clinician of the cohort | 40.0 | 60.0 | 70.0 |") == 1 and "pharmacogenetic 30 %" in text
    assert len(json.loads((tmp_path / "patients" / "warfarin_clinic.json").read_text())["clinic"]) == 6
