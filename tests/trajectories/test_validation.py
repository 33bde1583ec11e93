"""What `validate` says of records: sound ones, poor ones, and such as hold nothing that a task asks for."""

from __future__ import annotations

import json

from posology.experiments.cli import app
from posology.trajectories.validation import validate
from random_records import BASE, HOUR, SECOND, records_of
from typer.testing import CliRunner


def own(i: int) -> list:
    zero = BASE + SECOND
    events = [(BASE, "SHOCK", None), (zero + HOUR, "LAST", 30.0 + i), (zero + 2 * HOUR, "LAST", 999.0)]
    return [*events, (zero, "INFUSION_START//A", 9.0), (zero + 4 * HOUR, "INFUSION_END//A", None)]


def test_everything_is_counted(small_task, write_events, tmp_path) -> None:
    events = records_of([own(i) for i in range(9)] + [[]], [40] * 9 + [12])
    found = validate(write_events(tmp_path / "e.parquet", events), small_task)
    assert (found.stays, found.patients, found.sites, found.decisions) == (9, 9, 1, 27)
    last = next(r for r in found.ranges if r.name == "last")
    assert (last.kind, last.share, last.least, last.median, last.greatest) == ("feature", 0.25, 30, 34, 38)
    pressor = next(r for r in found.ranges if r.name == "pressor")
    assert (pressor.kind, pressor.least, pressor.greatest) == ("drug", 1.5, 1.5)
    dropped = {(d.what, d.count) for d in found.dropped}
    assert {("stays", 1), ("last", 9), ("pressor", 9)} <= dropped
    assert any(d.why == "not: aged 18 or more" for d in found.dropped)
    assert any("no stay ends as 'died'" in line for line in found.missing)
    assert any(line.startswith("fluid is given in 0.0% of intervals") for line in found.missing)
    assert any("no code of weight occurs" in line for line in found.missing)
    assert len(found.checks) == 7


def test_records_without_any_stay_are_described_too(small_task, write_events, tmp_path) -> None:
    found = validate(write_events(tmp_path / "e.parquet", [(1, BASE, "LAST", 3.0)]), small_task)
    assert found.stays == 0 and found.missing[0].startswith("no stay begins: no event of ICU_ADMISSION")
    assert [(c.code, c.events) for c in found.codes] == [("LAST", 1)]
    no_shock = validate(write_events(tmp_path / "f.parquet", records_of([[]], [40])), small_task)
    assert "no stay is left after the step 'shock'; check its codes and hours" in no_shock.missing


def test_the_command_prints_tables_and_writes_json(small_task, write_events, tmp_path) -> None:
    data = write_events(tmp_path / "e.parquet", records_of([own(i) for i in range(3)], [40] * 3))
    (tmp_path / "mine.yaml").write_text(small_task.model_dump_json())
    words = ["validate", str(data), "--task", str(tmp_path / "mine.yaml"), "--json", str(tmp_path / "v.json")]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    for title in ("3 stays", "Cohort flow", "Coverage and ranges", "Codes and units", "Dropped or mended", "Checks"):
        assert title in shown.output
    written = json.loads((tmp_path / "v.json").read_text())
    assert written["stays"] == 3 and written["ranges"][0]["name"] == "last" and len(written["checks"]) == 7
