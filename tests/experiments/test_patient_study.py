"""The study of patients: what it computes, that it resumes, and what it writes."""

import json

import pytest
from posology.experiments.sources import SOURCES, true_treatment
from posology.experiments.studies.patient_confounding import confounding_table
from posology.experiments.studies.patient_pages import put_block
from posology.experiments.studies.patient_policies import fixed_doses
from posology.experiments.studies.patient_probes import PROBES
from posology.experiments.studies.patients import main


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_speaks_of_its_source(name):
    probe, spec = PROBES[name], true_treatment(name).spec
    assert name in SOURCES
    for feature in probe.features:
        spec.feature(feature)
    spec.drug(probe.drug)
    if probe.regression is not None:
        spec.feature(probe.regression.outcome)
        spec.drug(probe.regression.drug)


def test_the_first_fixed_dose_is_none_and_the_last_the_most():
    labels = [label for label, _ in fixed_doses(true_treatment("propofol"))]
    assert (labels[0], labels[-1], len(labels)) == ("0 mg/kg/h", "120 mg/kg/h", 8)


def test_a_naive_regression_is_unbiased_without_confounding_and_biased_with_it():
    found = confounding_table("propofol", PROBES["propofol"].regression, 3000, 50)["rows"]
    bias = {(row["confounding"], row["hidden_confounding"]): row for row in found}
    assert bias[0.0, 0.0]["bias_low"] < 0 < bias[0.0, 0.0]["bias_high"]
    assert 0 < bias[0.0, 0.5]["bias_low"] < bias[0.0, 0.5]["bias"] < bias[0.0, 2.0]["bias"]


def test_numbers_tables_and_picture_are_written_and_kept(tmp_path):
    main(["propofol"], docs=tmp_path, patients=50, trial=200)
    results, page = tmp_path / "patients" / "propofol.json", tmp_path / "patients" / "propofol.md"
    kept = json.loads(results.read_text())
    kept["policies"]["rows"][0]["value"] = 0.123456  # would be replaced, were it computed again
    results.write_text(json.dumps(kept))
    page.write_text("# My own words\n" + page.read_text())
    main(["propofol"], docs=tmp_path, patients=50, trial=200)
    text = page.read_text()
    assert text.startswith("# My own words\n") and text.count("\n| Clinician |") == 1 and "0.123 (" in text
    assert "| Schnider and Bouillon |" in text
    assert "[propofol](propofol.md)" in (tmp_path / "patients" / "README.md").read_text()
    assert (tmp_path / "figures" / "patients_propofol.png").stat().st_size > 10_000


def test_a_block_is_replaced_in_place():
    text = put_block(put_block("# Title\n\nWords.\n", "one", "x", "first"), "two", "x", "other")
    again = put_block(text, "one", "x", "second")
    assert "first" not in again and again.index("second") < again.index("other") and again.startswith("# Title")
