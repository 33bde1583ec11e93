"""The page of a run with one drug, and of one in which nobody died; lengths of time from seconds to years."""

from posology.evaluation.duration import duration
from posology.evaluation.page import page
from posology.evaluation.page_model import heat_maps


def alone(report):
    """The report as if its second drug were the only one."""
    policies = {
        name: p.model_copy(update={"actions": (tuple(sum(column) for column in zip(*p.actions, strict=True)),)})
        for name, p in report.policies.items()
        if p.actions
    }
    cohort = report.cohort.model_copy(update={"drugs": report.cohort.drugs[1:2]})
    return report.model_copy(update={"policies": {**report.policies, **policies}, "cohort": cohort})


def test_one_drug_makes_a_map_of_one_row(examples):
    report = alone(examples.known_truth())
    main, differences, _ = heat_maps(report)
    drug = report.cohort.drugs[0]
    assert main and differences
    for shown in (*main, *differences):
        assert len(shown.rows) == 1 and len(shown.rows[0]) == len(drug.levels)
        assert (shown.row_labels, shown.row_title) == (("",), "")
        assert shown.column_title.startswith(drug.label) and not shown.text.startswith(",")
    assert drug.label in page(report)


def test_without_deaths_nothing_is_said_of_their_prediction(examples):
    report = examples.known_truth()
    said = "Death within the horizon"
    assert said in page(report)
    bins = tuple(part.model_copy(update={"observed": 0.0}) for part in report.simulator.outcome_calibration)
    scores = {"AUROC": None, "Brier score": 0.0}
    simulator = report.simulator.model_copy(update={"outcome_calibration": bins, "outcome_scores": scores})
    text = page(report.model_copy(update={"simulator": simulator}))
    assert said not in text and "Prediction of death" not in text


def test_a_length_of_time_reads_in_its_own_unit():
    hours = {5 / 3600: "5 s", 1 / 60: "1 min", 0.5: "30 min", 1.0: "1 h", 4.0: "4 h", 72.0: "72 h", 120.0: "5 days"}
    assert {length: duration(length) for length in hours} == hours
    assert duration(17_280.0) == "720 days" and duration(0.016666667535901) == "1 min"
