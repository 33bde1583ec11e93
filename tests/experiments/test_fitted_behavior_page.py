"""The tables of known and fitted propensities count what they say."""

import json

import pytest
from posology.experiments.studies import fitted_behavior_page


def row(verdict, interval, before="supported", *, repeat=0, gap=0.0, environment="sepsis"):
    return {
        "environment": environment, "repeat": repeat, "behavior": "network", "blend": True, "truth": 0.5,
        "clinician": 0.5, "value": 0.5, "plain": [0.6, 0.7], "interval": interval, "before": before,
        "verdict": verdict, "gap": gap, "spread": 0.5,
    }  # fmt: skip


ROWS = [
    row("supported", [0.4, 0.6]),
    row("weak", [0.4, 0.6], gap=2.7),
    row("supported", [0.6, 0.7], before="weak", repeat=1),
]


def test_supported_intervals_are_counted_by_weights_alone_and_with_the_check():
    text = fitted_behavior_page.coverage_table(ROWS)
    assert "| network | sepsis | 2 | 3 | 2 | 0% | 2 | 50% ± 50 |" in text
    assert "| network | all | 2 | 3 | 2 | 0% | 2 | 50% ± 50 |" in text
    assert "logistic" not in text and "not chosen on | 2" not in text


def test_the_error_of_a_share_counts_cohorts_not_estimates():
    """Three cohorts that hold all, none and all of four estimates each: the same share and error as of single ones."""
    held = [[0.4, 0.6], [0.6, 0.7], [0.4, 0.6]]
    many = [row("supported", held[k], repeat=k) for k in range(3) for _ in range(4)]
    one = [row("supported", held[k], repeat=k) for k in range(3)]
    share, error = fitted_behavior_page.coverage(many, "interval")
    assert (share, error) == pytest.approx(fitted_behavior_page.coverage(one, "interval"))
    assert share == pytest.approx(2 / 3) and error == pytest.approx(1 / 3)


def test_limits_of_agreement_leave_out_what_disagrees_more():
    text = fitted_behavior_page.limits_table([*ROWS, row("supported", [0.6, 0.7], environment="hiv", gap=-1.0)])
    assert "| 2.5 | 1 | 100% | 1 | 0% |" in text
    assert "| 3 | 2 | 100% | 1 | 0% |" in text


def test_verdicts_are_in_units_of_the_spread_of_returns():
    off = {**row("supported", [0.6, 0.7]), "value": 0.65, "clinician": 0.55}
    text = fitted_behavior_page.verdict_table([off])
    assert "| network | blends | supported | 1 | 100% | 0.300 | 100.0% |" in text


def test_the_page_keeps_what_is_around_its_blocks(tmp_path):
    folder = tmp_path / "fitted_behavior"
    folder.mkdir()
    (folder / "sepsis-1000-0.json").write_text(json.dumps(ROWS))
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "sepsis-0.json").write_text(json.dumps({"stays": 100, "values": {"clinician": [0.5, 0.05]}}))
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nWords.\n")
    for _ in range(2):
        fitted_behavior_page.main(tmp_path, page, 1000)
    text = page.read_text()
    assert text.startswith("# Title\n\nWords.\n") and text.count("<!-- end -->") == 3
    assert "| network | all | 2 | 3 | 2 | 0% | 2 | 50% ± 50 |" in text
    with pytest.raises(FileNotFoundError, match="no cells"):
        fitted_behavior_page.main(tmp_path, page, 999)
