"""Skill and coverage by feature and horizon, and nothing from a handful of values."""

from posology.evaluation.page_fidelity import fidelity_table
from posology.evaluation.report import FeatureError


def row(model, rmse, count=200, ahead=1, within=None):
    return FeatureError(feature="map", model=model, rmse=rmse, count=count, decisions=ahead, within_95=within)


def test_skill_is_the_share_of_a_simpler_model_s_error_that_is_saved(examples):
    rows = [row("lstm", 0.3, within=0.95), row("linear", 0.4), row("persistence", 0.2)]
    table = fidelity_table(examples.records(), rows, "lstm")
    assert table.horizons == (1,) and table.groups == (
        "skill over linear",
        "skill over persistence",
        "inside the 95 % range",
    )
    ((label, cells),) = table.rows
    assert label == "Mean arterial pressure"
    assert [(c.text, c.tone) for c in cells] == [("+25", "more"), ("−50", "less"), ("95", "more")]
    assert cells[1].opacity > cells[0].opacity and cells[2].opacity == 0


def test_a_range_that_is_too_narrow_is_bad(examples):
    rows = [row("lstm", 0.3, within=0.7), row("linear", 0.4)]
    cell = fidelity_table(examples.records(), rows, "lstm").rows[0][1][1]
    assert (cell.text, cell.tone) == ("70", "less") and cell.opacity > 0.7


def test_what_a_few_values_tell_stays_empty(examples):
    rows = [row("lstm", 0.3, count=9, within=0.1), row("linear", 0.4, count=9)]
    assert [c.text for c in fidelity_table(examples.records(), rows, "lstm").rows[0][1]] == ["–", "–"]


def test_without_a_simpler_model_there_is_no_skill(examples):
    assert fidelity_table(examples.records(), [row("lstm", 0.3)], "lstm") is None
