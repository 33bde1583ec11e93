"""The table of fitted behaviour policies counts what it says."""

import json

import pytest
from posology.experiments.studies import fitted_behavior_page


def row(verdict, interval, before="supported", kind="network"):
    return {
        "environment": "sepsis", "behavior": kind, "truth": 0.5, "plain": [0.6, 0.7], "interval": interval,
        "before": before, "verdict": verdict,
    }  # fmt: skip


def test_supported_intervals_are_counted_before_and_now(tmp_path):
    rows = [row("supported", [0.4, 0.6]), row("weak", [0.4, 0.6]), row("supported", [0.6, 0.7], before="weak")]
    lines = fitted_behavior_page.table(rows)
    assert "| network | sepsis | 3 | 2 | 0% | 2 | 50% |" in lines
    assert "| network | all | 3 | 2 | 0% | 2 | 50% |" in lines
    assert not any("logistic" in line for line in lines)
    folder = tmp_path / "fitted_behavior"
    folder.mkdir()
    (folder / "sepsis-1000-0.json").write_text(json.dumps(rows))
    page = tmp_path / "page.md"
    fitted_behavior_page.main(tmp_path, page, 1000)
    assert "| network | all | 3 | 2 | 0% | 2 | 50% |" in page.read_text()
    with pytest.raises(SystemExit, match="no cells"):
        fitted_behavior_page.main(tmp_path, page, 999)
