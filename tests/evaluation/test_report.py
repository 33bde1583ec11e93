import json
import math

import pytest
from posology.evaluation.report import EstimateReport, Interval, Report, load_report
from pydantic import ValidationError

EXAMPLES = ("known_truth", "records")


@pytest.fixture(params=EXAMPLES)
def report(request, examples):
    return getattr(examples, request.param)()


def test_json_round_trip_is_exact(report):
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_saving_and_loading_through_a_folder_or_a_file(report, tmp_path):
    assert report.save(tmp_path) == tmp_path / "report.json"
    assert load_report(tmp_path) == report == load_report(tmp_path / "report.json")
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_the_promised_keys_are_there(report):
    tree = json.loads(report.model_dump_json())
    assert {"schema_version", "config_hash", "cohort", "policies", "simulator", "provenance"} <= set(tree)
    assert {"fingerprint", "patients", "stays", "flow"} <= set(tree["cohort"])
    assert set(tree["cohort"]["flow"][0]) == {"step", "stays"}
    for policy in tree["policies"].values():
        assert {"estimates", "simulator_value", "true_value", "constraints"} <= set(policy)
        for estimate in policy["estimates"].values():
            assert {"value", "low", "high", "effective_sample_size", "mean_weight", "verdict"} <= set(estimate)
        for constraint in policy["constraints"].values():
            assert {"rate", "low", "high", "limit"} <= set(constraint)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(bad):
    interval = Interval(value=bad, low=bad, high=1.0)
    assert interval == Interval(value=None, low=None, high=1.0)
    assert json.loads(interval.model_dump_json(), parse_constant=pytest.fail) == {
        "value": None,
        "low": None,
        "high": 1.0,
    }


def test_reports_do_not_change(report):
    with pytest.raises(ValidationError):
        report.name = "other"


def test_unknown_keys_and_verdicts_are_refused():
    with pytest.raises(ValidationError, match="extra"):
        Interval(value=1.0, width=2.0)
    with pytest.raises(ValidationError, match="supported"):
        EstimateReport(value=1, low=0, high=2, effective_sample_size=3, mean_weight=1, verdict="fine")


def test_loading_says_what_is_wrong(tmp_path, examples):
    with pytest.raises(FileNotFoundError, match=r"report\.json"):
        load_report(tmp_path)
    path = examples.records().save(tmp_path)
    tree = json.loads(path.read_text())
    del tree["cohort"]["stays"]
    path.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match=r"cohort\.stays: Field required.*run it again"):
        load_report(tmp_path)
    path.write_text(json.dumps({**tree, "schema_version": "2"}))
    with pytest.raises(ValueError, match="schema_version"):
        load_report(tmp_path)
