"""Everything that real records need of a task, against the slow reference and by example."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posology.trajectories.meds import MedsError
from posology.trajectories.records import Records, read_trajectories
from posology.trajectories.task import Task
from random_records import BASE, HOUR, SECOND, records_of, rich_events_of_subject
from slow_reference import assert_equal, frame_of, reference

BY_CODE = {"site": {"codes": ["HOSPITAL//*"]}}
VARIANTS = [
    ({}, {}),
    ({"cohort": {"stays": "first"}}, {"decisions": {"when": "dose change", "least": 1}}),
    ({"cohort": BY_CODE, "outcome": {"window": None, "died_within": 5.0, "unended": "drop"}}, {}),
]


def changed(task: Task, nested: dict, flat: dict) -> Task:
    """The task with some keys changed; one by codes has no item that needs a site column."""
    data = task.model_dump(mode="json")
    for part, keys in nested.items():
        data[part] |= keys
    if "site" in nested.get("cohort", {}):
        del data["drugs"]["fluid"]["items"]["X//ml"]
    return Task.model_validate(data | flat)


@pytest.mark.parametrize("variant", VARIANTS, ids=["window", "first", "codes"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(subjects=st.lists(rich_events_of_subject, min_size=1, max_size=3), barred=st.booleans(), ended=st.booleans())
def test_reading_agrees_with_the_slow_reference(variant, subjects, barred, ended, rich_task, write_events) -> None:
    task = changed(rich_task, *variant)
    events = [(*event, str(event[0] % 2)) for event in records_of(subjects, [40] * 3)]
    events = events if ended else [event for event in events if event[1] != BASE + 26 * HOUR]
    events += [(0, BASE, "GIVEN//X//ml", 1.0, "1")] if barred else []
    expected = reference(frame_of(events).assign(site=lambda f: f.site.astype(int)), task)
    if task.cohort.site.codes:
        events = [event[:4] for event in events]
    with tempfile.TemporaryDirectory() as folder:
        path = write_events(Path(folder) / "events.parquet", events)
        if expected:
            assert_equal(read_trajectories(path, task), expected)
        else:
            with pytest.raises(MedsError, match="no stay fits"):
                read_trajectories(path, task)


def read(task: Task, write_events, folder: Path, hours: list, site: str = "3") -> Records:
    """The records of one stay of 26 hours whose time zero is hour 0."""
    events = [(BASE + SECOND + round(h * HOUR), code, value) for h, code, value in hours]
    rows = [(*event, site) for event in records_of([events], [40])]
    return read_trajectories(write_events(folder / "e.parquet", rows), task)


def test_a_rate_row_runs_to_the_next_row_and_no_longer_than_declared(rich_task, write_events, tmp_path) -> None:
    rows = [(0, "ROW//A//kg", 1.0), (2, "ROW//A//kg", 0.0), (4, "ROW//A//kg", 0.5), (11, "ROW//A//kg", 1.0)]
    records = read(rich_task, write_events, tmp_path, rows)
    np.testing.assert_allclose(records.trajectories.dose[0, :, 0].numpy(), [0.5, 0.375, 0.25])
    assert records.coverage.drugs[0].unpaired == 2  # cut at three hours


def test_rows_in_another_unit_of_a_drug_end_each_other(rich_task, write_events, tmp_path) -> None:
    rows = [(-1, "WEIGHT", 50.0), (0, "ROW//A//min", 50.0), (2, "ROW//A//ml", 9.0), (4, "ROW//A//kg", 0.5)]
    rows += [(5, "ROW//B//kg", 4.0), (6, "ROW//A//min", 20.0)]
    records = read(rich_task, write_events, tmp_path, rows)
    np.testing.assert_allclose(records.trajectories.dose[0, :2, 0].numpy(), [0.5, 0.25 + 0.3 + 0.2])
    uses = {use.code: use.use for use in records.coverage.codes if use.name == "pressor"}
    assert uses["ROW//A//ml"] == "dropped" and uses["ROW//A//min"] == uses["ROW//A//kg"] == "used"


def test_an_infusion_ends_with_the_stay_not_in_the_next_one(rich_task, write_events, tmp_path) -> None:
    rows = [(1, "ROW//A//kg", 1.0), (2, "ICU_DISCHARGE", None), (2.5, "ICU_ADMISSION//Z", None)]
    task = changed(rich_task, {"cohort": {"min_gap": None}}, {})
    t = read(task, write_events, tmp_path, rows).trajectories
    np.testing.assert_allclose(t.dose[:, 0, 0].numpy(), [0.5, 0])


def test_units_that_no_rule_names_are_counted_and_said(rich_task, write_events, tmp_path) -> None:
    rows = [(1, "ROW//A//stone", 3.0), (2, "ROW//A//stone", 5.0), (3, "ROW//A//kg", 0.5)]
    records = read(rich_task, write_events, tmp_path, rows)
    use = next(use for use in records.coverage.codes if use.code == "ROW//A//stone")
    assert (use.name, use.unit, use.use, use.events, use.least, use.mean, use.greatest) == (
        "pressor", "stone", "unknown", 2, 3, 4, 5
    )  # fmt: skip
    assert any("2 events of 'ROW//A//stone' are in no unit that the task names" in w for w in records.warnings)


def test_sites_that_chart_doses_nobody_can_convert_are_left_out(rich_task, write_events, tmp_path) -> None:
    events = [(*e, "5") for e in records_of([[(BASE + HOUR, "GIVEN//X//ml", 1.0)]], [40])]
    events += [(s + 1, *e, site) for site, s in (("5", 0), ("6", 1)) for _, *e in records_of([[]], [40])]
    records = read_trajectories(write_events(tmp_path / "e.parquet", events), rich_task)
    assert records.trajectories.site.tolist() == [6] and records.flow[-1].stays == 1 < records.flow[-2].stays


def test_an_outcome_window_counts_a_death_after_discharge_and_beyond_the_horizon(
    rich_task, write_events, tmp_path
) -> None:
    for hours, outcome in ((29, 2), (31, 0)):
        t = read(rich_task, write_events, tmp_path, [(hours, "DIED", None)]).trajectories
        assert t.outcome.tolist() == [outcome] and t.mask.all()
    rows = [(6, "ICU_DISCHARGE", None), (20, "DIED", None)]
    assert read(rich_task, write_events, tmp_path, rows).trajectories.outcome.tolist() == [2]


def test_readmissions_need_their_gap(rich_task, write_events, tmp_path) -> None:
    for gap, stays in ((2, 1), (4, 2)):
        rows = [(5, "ICU_DISCHARGE", None), (5 + gap, "ICU_ADMISSION//Z", None)]
        records = read(rich_task, write_events, tmp_path, rows)
        assert len(records.trajectories) == stays
        assert records.flow[2].step == "3 hours or more after the last stay" and records.flow[2].stays == stays


def test_a_derived_feature_is_new_when_one_of_its_inputs_is(rich_task, write_events, tmp_path) -> None:
    rows = [(-1, "LAST", 30.0), (-1, "MEAN", 60.0), (5, "LAST", 90.0), (9, "RATE", 40.0)]
    t = read(rich_task, write_events, tmp_path, rows).trajectories
    index = t.spec.feature("index")
    np.testing.assert_allclose(t.vitals[0, :3, index].numpy(), [0.5, 0.5, 0.75])
    assert t.seen[0, :, index].tolist() == [True, False, False, False]  # the mean is too old by then


def test_of_codes_that_repeat_each_other_the_first_with_a_number_counts(rich_task, write_events, tmp_path) -> None:
    rows = [(1, "MON", 10.0), (2, "MANX", 20.0), (3, "LAST", 30.0), (5, "MON", 40.0)]
    t = read(rich_task, write_events, tmp_path, rows).trajectories
    assert t.vitals[0, 1:3, 0].tolist() == [20, 40]
