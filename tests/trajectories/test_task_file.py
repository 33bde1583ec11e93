"""Task files: what is shipped loads, and what is wrong is named with its place and a remedy."""

from __future__ import annotations

import pytest
import yaml
from posology.contracts import Drug, Feature
from posology.trajectories.task import Task
from posology.trajectories.task_file import TaskError, load_task, parse_task, shipped_tasks


def text_of(task: Task) -> str:
    return yaml.safe_dump(task.model_dump(mode="json"))


def test_every_shipped_task_loads() -> None:
    assert {"sepsis", "sepsis_eicu", "sepsis_simulated"} <= set(shipped_tasks())
    for name in shipped_tasks():
        task = load_task(name)
        assert task.name == name and task.spec.actions > 1
        if name.startswith("sepsis"):
            assert task.spec.actions == 25 and [d.name for d in task.spec.drugs] == ["fluid", "norepinephrine"]


def test_both_sepsis_tasks_have_the_same_dose_levels() -> None:
    real, simulated = load_task("sepsis").drugs, load_task("sepsis_simulated").drugs
    for name in real:
        assert (real[name].levels, real[name].cuts, real[name].high) == (
            simulated[name].levels,
            simulated[name].cuts,
            simulated[name].high,
        )


def test_both_hospital_systems_are_described_alike() -> None:
    """So that what is learned in one can be judged in the other."""
    one, other = load_task("sepsis"), load_task("sepsis_eicu")
    assert one.spec == other.spec and (one.interval, one.horizon) == (other.interval, other.horizon)


def test_a_spec_says_what_the_task_says(small_task) -> None:
    spec = small_task.spec
    assert spec.features[0] == Feature("last", "", 0, 90, (20, 60), max_age=10)
    assert spec.drugs[1] == Drug("fluid", "mL/h", 500, (0, 50), (20,))
    assert [c.name for c in spec.context] == ["age", "weight", "male"]


def test_a_task_survives_writing_and_a_file(small_task, tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text(text_of(small_task))
    assert load_task(tmp_path / "mine.yaml") == small_task


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("horizon: 3", "horizon: 0", r"horizon: .*greater than 0, got 0"),
        ("horizon: 3", "horizons: 3", r"horizons: unknown key; did you mean 'horizon'"),
        ("min_age:", "min_aeg:", r"cohort.min_aeg: unknown key; did you mean 'min_age'"),
        ("below: 20.0", "blow: 20.0", r"cohort.conditions.0.any.0.blow: unknown key; did you mean 'below'"),
        ("aggregation: mean", "agregation: mean", r"features.mean.agregation: unknown key; did you mean 'aggregation'"),
        ("max_rate: 1.5", "max_rates: 1.5", r"drugs.pressor.items.A.max_rates: unknown key; did you mean 'max_rate'"),
        ("factor: 0.5", "faktor: 0.5", r"features.last.codes.LAST_F.faktor: unknown key; did you mean 'factor'"),
        ("aggregation: mean", "aggregation: median", r"features.mean.aggregation: .*got 'median'"),
        ("MANY*:", "MA{NY:", r"features.m.*expected braces in pairs, as in {a,b}, got 'MA{NY'"),
        ("MANY*:", "'**':", r"features.m.*expected a code, in which \* means anything and .*, got '\*\*'"),
        ("kind: value", "kind: values", r"context.weight.kind: .*got 'values'"),
        ("high: 200.0", "high: 20.0", r"context.weight: expected low <= reference <= high"),
        ("RATE:", "INFUSION_END//F:", r"rate reads the infusion code 'INFUSION_END//F' of a drug"),
        ("- 0.3", "- 0.05", r"drugs.pressor: expected rising levels"),
        ("start: INFUSION_START//{item}", "start: X", r"expected \{item\} in start, end and code"),
        ("decisions: null", "decisions: {}", "decisions: expected either at: .codes., or when: dose change"),
        ("decisions: null", "decisions: {when: dose}", "decisions.when: .*got 'dose'"),
        ("decisions: null", "decisions: {at: [A], least: 4, greatest: 2}", "expected least < greatest hours"),
        ("per: null", "per: wieght", "F is per 'wieght', which is no context column; known: age, male, weight"),
        ("drop: null", "drop: sites", r"F says drop: sites, which needs cohort.site.column"),
        ("site: null", "site: {}", r"cohort.site: expected either column: name, or codes: .patterns."),
        ("window: null", "window: 9", r"outcome: expected either died_within or window, got both"),
        ("derived: {}", "derived: {x: {formula: y, of: [max], low: 0, high: 1, reference: [0, 1]}}", "no formula 'y'"),
        ("derived: {}", "derived: {x: {formula: ratio, of: [max], low: 0, high: 1, reference: [0, 1]}}", "takes of: "),
        ("derived: {}", "derived: {x: {formula: sum, of: [y], low: 0, high: 1, reference: [0, 1]}}", "'y' is no meas"),
        ("name: small", "name: small\nname: other", r"line 1: key 'name' is written twice"),
    ],
)
def test_errors_name_the_place_and_a_remedy(small_task, before, after, message) -> None:
    text = text_of(small_task)
    assert before in text
    with pytest.raises(TaskError, match=message):
        parse_task(text.replace(before, after), "small.yaml")


def test_an_unknown_task_names_the_shipped_ones() -> None:
    with pytest.raises(TaskError, match="no task file 'sepsys'.*sepsis_simulated"):
        load_task("sepsys")


def test_no_yaml_is_an_error_with_its_source() -> None:
    with pytest.raises(TaskError, match="task broken"):
        parse_task("a: [", "broken")
    with pytest.raises(TaskError, match="task empty"):
        parse_task("", "empty")


def test_a_task_extends_another_but_for_what_it_says(tmp_path):
    hourly, usual = load_task("sepsis_simulated_hourly"), load_task("sepsis_simulated")
    assert (hourly.interval, hourly.horizon) == (1, 72) and hourly.spec == usual.spec
    own = tmp_path / "own.yaml"
    own.write_text("extends: sepsis_simulated\nname: own\nfeatures:\n  map:\n    max_age: 5\n", "utf-8")
    changed = load_task(own)
    assert changed.name == "own" and changed.features["map"].max_age == 5
    assert changed.features["map"].codes == usual.features["map"].codes
    assert changed.features["lactate"] == usual.features["lactate"] and changed.drugs == usual.drugs


def test_a_task_that_extends_nothing_or_itself_is_refused(tmp_path):
    loop = tmp_path / "loop.yaml"
    loop.write_text(f"extends: {loop}\n", "utf-8")
    with pytest.raises(TaskError, match="cannot extend itself"):
        load_task(loop)
    with pytest.raises(TaskError, match="no task file 'sepsys'"):
        parse_task("extends: sepsys\n", "mine")
