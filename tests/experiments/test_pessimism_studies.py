"""The studies of pessimism on cohorts too small to say anything: what they write, and that they can be resumed."""

import dataclasses
import json

import pytest
from posology.experiments.studies import exploitation, five_cohorts, logged_cohorts
from posology.experiments.studies.exploitation_page import gaps

SMALL = dataclasses.replace(
    logged_cohorts.SEPSIS, stays=160, tuning=60, simulator={"members": 2, "hidden": 8, "epochs": 1}
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def test_five_cohorts_keep_every_cohort_and_choose_by_data(work, tmp_path, monkeypatch):
    monkeypatch.setattr(five_cohorts, "SEPSIS", SMALL)
    monkeypatch.setattr(five_cohorts, "PENALTIES", (0.0, 0.3, 3.0))
    monkeypatch.setattr(five_cohorts, "DEFAULT", five_cohorts.DEFAULT.model_copy(update={"steps": 512}))
    monkeypatch.setattr(five_cohorts, "CLAIMED", 64)
    monkeypatch.setattr(five_cohorts, "TRUE", 64)
    five_cohorts.main(1, 0, work, tmp_path)
    store = tmp_path / "results" / "five_cohorts.json"
    found = json.loads(store.read_text())
    assert [row["penalty"] for row in found["0"]["rows"]] == [0.0, 0.3, 3.0] and found["0"]["chosen"] in (1, 2)
    monkeypatch.setattr(five_cohorts, "one", lambda *args: pytest.fail("a finished cohort is not measured again"))
    five_cohorts.main(1, 0, work, tmp_path)
    page = (tmp_path / "pessimism.md").read_text()
    row = found["0"]["rows"][found["0"]["chosen"]]
    assert f"{100 * row['true']:.1f}" in page and page.count("<!-- cohorts") == 1 and five_cohorts.COMMAND in page


def test_exploitation_is_watched_drawn_and_told(work, tmp_path, monkeypatch):
    monkeypatch.setattr(exploitation, "WORLDS", {"sepsis": SMALL})
    monkeypatch.setattr(exploitation, "LAST", 6144)
    monkeypatch.setattr(exploitation, "LOOKS", 2)
    monkeypatch.setattr(exploitation, "STAYS", 32)
    exploitation.main(None, work, tmp_path)
    found = exploitation.read(tmp_path / "results" / "exploitation.json")
    assert set(found) == {f"sepsis/{name}" for name in exploitation.VARIANTS}
    assert [row["decisions"] for row in found["sepsis/beyond"]] == [0, 3072, 6144]
    starts = [rows[0] for name, rows in found.items() if name != "sepsis/one"]
    assert all(start == starts[0] for start in starts), "all start from one policy, judged in the same places"
    assert found["sepsis/one"][0]["true"] == starts[0]["true"]
    assert (tmp_path / "figures" / "exploitation.png").stat().st_size > 10_000
    assert "<!-- exploitation" in (tmp_path / "pessimism.md").read_text()


def test_the_gap_is_told_in_shares_of_the_gap_without_care():
    def rows(claimed, second):
        return [{"decisions": 9, "claimed": claimed, "second": second, "true": 0.8, "unsupported": 0.1}]

    found = {"sepsis/one": rows(0.85, 0.84), "sepsis/stay": rows(0.9, 0.88), "sepsis/beyond": rows(0.83, 0.82)}
    text = "\n".join(gaps(found, {"one": "none", "stay": "members", "beyond": "all"}))
    assert "second simulator, 2.0, in the one where that\npolicy learned 3.0;" in text
    assert "penalty 10.0 (left of it by default: 20%),\nin one network without a penalty 5.0 (left" in text
    small = {**found, "sepsis/stay": rows(0.801, 0.8)}
    assert "penalty 0.1,\n" in "\n".join(gaps(small, {"one": "none", "stay": "members", "beyond": "all"}))
    assert "| members | 90.0 | 80.0 | 10.0 | 88.0 | 8.0 | 10.0 |" in text
