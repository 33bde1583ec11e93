"""Malformed task files, configs, saved cohorts, models, policies and reports, made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

from ...agents.baselines import ConstantPolicy
from ...agents.save import load_policy, save_policy
from ...contracts import Spec
from ...evaluation.report import load_report
from ...patient_models import load_model, model
from ...trajectories.save import load_trajectories, save_trajectories
from ...trajectories.task_file import load_task
from ...trajectories.write import write_meds
from ..config import load_config
from .malformed_base import TASK, Case, read, table, task

CONFIG = """
name: case
cohort: {kind: records, path: data, task: sepsis}
"""


def cases() -> list[Case]:
    """All of them."""
    return [*_tasks(), *_configs(), *_saved(), *_reports(), *_writing()]


def _task(name: str, before: str, after: str, *message: str) -> Case:
    assert before in TASK, before
    return Case("task", name, lambda folder: load_broken_task(folder, TASK.replace(before, after).encode()), message)


def load_broken_task(folder: Path, content: bytes) -> object:
    """Read a task file with this content."""
    (folder / "case.yaml").write_bytes(content)
    return load_task(folder / "case.yaml")


_RAW_TASKS = {
    "no text": b"",
    "only a list": b"[1, 2]",
    "only a number": b"3",
    "not UTF-8": b"name: \xff\xfe",
    "no YAML": b"a: [",
    "a tab as indent": b"name:\n\t- a",
    "a null byte": b"name: a\x00b",
    "nested without end": b"[" * 3000,
    "a Python object": b"!!python/object/apply:os.system [ls]",
    "a list as key": b"? [a, b]\n: 3",
    "a date that is none": b"name: 2020-13-45",
    "an unknown anchor": b"name: *nobody",
}
_CHANGED_TASKS = [
    ("an unknown key", "horizon:", "horizn:", "did you mean 'horizon'"),
    ("a key twice", "horizon: 3", "horizon: 3\nhorizon: 4", "written twice"),
    ("no decisions", "horizon: 3", "horizon: 0", "horizon", "greater than 0"),
    ("half a decision", "horizon: 3", "horizon: 2.5", "horizon"),
    ("an interval of no time", "interval: 4", "interval: 0", "interval"),
    ("an infinite interval", "interval: 4", "interval: .inf", "interval", "finite"),
    ("an interval that is text", "interval: 4", "interval: four", "interval", "'four'"),
    ("bounds that are not numbers", "low: 10,", "low: .nan,", "features.pressure.low", "finite"),
    ("bounds reversed", "low: 10, high: 250", "low: 250, high: 10", "low <= reference <= high"),
    ("a reference of one number", "reference: [60, 90]", "reference: [60]", "features.pressure.reference"),
    ("a log scale through zero", "reference: [1, 5], scale: log", "reference: [0.1, 0.1], scale: log", "log scale"),
    ("an unknown scale", "scale: log", "scale: square", "scale", "'square'"),
    ("no codes", "codes: [LACTATE]", "codes: []", "features.lactate.codes"),
    ("a pattern of asterisks", "codes: [LACTATE]", "codes: ['**']", "expected a code"),
    ("braces that do not close", "codes: [LACTATE]", "codes: ['LAC{TATE']", "braces in pairs"),
    ("the dose as a feature", "codes: [LACTATE]", "codes: ['INFUSION_START//*']", "doses must stay out"),
    ("levels that fall", "levels: [0, 0.1, 0.3]", "levels: [0, 0.3, 0.1]", "rising levels"),
    ("no levels", "levels: [0, 0.1, 0.3], cuts: [0, 0.2]", "levels: [], cuts: []", "levels from 0"),
    ("a cut too few", "cuts: [0, 0.2]", "cuts: [0]", "one cut fewer"),
    ("a level above the range", "high: 2,", "high: 0.2,", "up to 0.2"),
    ("no items", "items: {A: {max_rate: 2}}", "items: {}", "drugs.pressor.items"),
    ("an unknown way of charting", "by: rate", "by: guess", "drugs.pressor.by", "'guess'"),
    ("no anchor", "anchor: [ICU_ADMISSION]", "anchor: []", "cohort.anchor"),
    ("a weight that is not there", "{max_rate: 2}", "{per: weight}", "no context column"),
    ("an unknown kind of context", "context:\n", "context:\n" + "  x: {kind: guess, codes: [X]}\n", "kind", "'guess'"),
    (
        "a formula nobody knows",
        "context:\n",
        "derived: {x: {formula: y, of: [lactate], low: 0, high: 1, reference: [0, 1]}}\n" + "context:\n",
        "no formula 'y'",
    ),
    ("a number for a name", "name: case", "name: 3", "name"),
    ("a list for a mapping", "outcome: {discharged", "outcome: [x]\nextra: {discharged", "outcome"),
]


def _tasks() -> list[Case]:
    return [
        *(Case("task", n, lambda f, c=c: load_broken_task(f, c), ("task", "case.yaml")) for n, c in _RAW_TASKS.items()),  # type: ignore[misc]
        *(_task(name, *rest) for name, *rest in _CHANGED_TASKS),
        Case("task", "no such file", lambda f: load_task(f / "nowhere.yaml"), ("no task file", "shipped tasks")),
        Case("task", "a folder", load_task, ("no task file", "shipped tasks")),
    ]


def load_broken_config(folder: Path, content: bytes, *overrides: str) -> object:
    """Read a config with this content."""
    (folder / "case.yaml").write_bytes(content)
    return load_config(folder / "case.yaml", list(overrides))


def _configs() -> list[Case]:
    raw = {
        "no text": b"",
        "only a list": b"[1]",
        "not UTF-8": b"name: \xff",
        "no YAML": b"a: [",
        "nested without end": b"[" * 3000,
        "a number as key": b"3: 4\n" + CONFIG.encode(),
        "a list as key": b"? [a]\n: 3",
        "no cohort": b"name: case",
        "a cohort that is text": b"name: case\ncohort: mimic",
        "an unknown kind of cohort": b"name: case\ncohort: {kind: guess}",
        "a cohort without a kind": b"name: case\ncohort: {path: x}",
        "a name with a slash": CONFIG.replace("name: case", "name: a/b").encode(),
        "a seed that is text": CONFIG.encode() + b"seed: many",
        "an unknown key": CONFIG.encode() + b"sed: 1",
        "an unknown key of a part": CONFIG.encode() + b"simulator: {epoch: 3}",
        "a part that is a list": CONFIG.encode() + b"simulator: [3]",
        "an unknown key of a list": CONFIG.encode() + b"evaluation: {level: [1, {x: 2}]}",
        "a share above one": CONFIG.encode() + b"evaluation: {level: 2}",
    }
    overrides = ["seed", "=3", "seed=[", "seed.deep=3", "cohort.path.x=1", "simulatr.epochs=3", "seed=many", "..=3"]
    return [
        *(Case("config", n, lambda f, c=c: load_broken_config(f, c), ("case.yaml",)) for n, c in raw.items()),  # type: ignore[misc]
        *(
            Case("config", f"override {o}", lambda f, o=o: load_broken_config(f, CONFIG.encode(), o), ("",))  # type: ignore[misc]
            for o in overrides
        ),
        Case(
            "config", "no such file", lambda f: load_config(f / "nowhere.yaml"), ("no config", "expected a YAML file")
        ),
    ]


def _saved() -> list[Case]:
    def cohort(folder: Path) -> Path:
        return save_trajectories(read(table(), folder).trajectories, folder / "saved")

    def patient(folder: Path) -> Path:
        stays = read(table(), folder).trajectories
        model("persistence")(stays, stays, seed=0).save(folder / "saved")
        return folder / "saved"

    def policy(folder: Path) -> Path:
        save_policy(ConstantPolicy(torch.ones(3) / 3), folder / "saved")
        return folder / "saved"

    made = {
        "cohort": (cohort, load_trajectories, "spec.json", "trajectories.safetensors"),
        "model": (patient, load_model, "model.json", "weights.safetensors"),
        "policy": (policy, load_policy, "model.json", "weights.safetensors"),
    }
    found = []
    for kind, (make, load, text, arrays) in made.items():
        for name, file, change in _damages(text, arrays):
            found.append(Case(kind, name, _damaged(make, load, file, change), ("",)))
        found.append(Case(kind, "an empty folder", load, ("missing",)))
        found.append(Case(kind, "whole", lambda f, make=make, load=load: load(make(f)), (), lambda r: r is not None))  # type: ignore[misc]
    return found


def _damages(text: str, arrays: str) -> list[tuple[str, str, Callable[[bytes], bytes | None]]]:
    def emptied(data: bytes) -> bytes:
        return json.dumps(dict.fromkeys(json.loads(data))).encode()

    def fewer(data: bytes) -> bytes:
        content = json.loads(data)
        return json.dumps({key: content[key] for key in list(content)[:1]}).encode()

    return [
        (f"{text} is missing", text, lambda b: None),
        (f"{text} is cut", text, lambda b: b[: len(b) // 2]),
        (f"{text} is empty", text, lambda b: b""),
        (f"{text} is a list", text, lambda b: b"[1]"),
        (f"{text} is not UTF-8", text, lambda b: b"\xff" + b),
        (f"{text} holds only null", text, emptied),
        (f"{text} lacks keys", text, fewer),
        (f"{arrays} is missing", arrays, lambda b: None),
        (f"{arrays} is cut", arrays, lambda b: b[: len(b) // 2]),
        (f"{arrays} is empty", arrays, lambda b: b""),
        (f"{arrays} is text", arrays, lambda b: b"hello there, this is text"),
        (f"{arrays} has another header", arrays, lambda b: b[:8] + b"x" * 40 + b[48:]),
    ]


def _damaged(
    make: Callable[[Path], Path], load: Callable[[Path], object], file: str, change: Callable[[bytes], bytes | None]
) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        path = make(folder) / file
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        return load(path.parent)

    return run


def _reports() -> list[Case]:
    def report(content: bytes) -> Callable[[Path], object]:
        def run(folder: Path) -> object:
            (folder / "report.json").write_bytes(content)
            return load_report(folder)

        return run

    raw = {
        "no text": b"",
        "no JSON": b"{",
        "a list": b"[]",
        "another schema": b'{"schema_version": "9"}',
        "not UTF-8": b"\xff",
    }
    return [
        *(Case("report", name, report(content), ("report.json",)) for name, content in raw.items()),
        Case("report", "an empty folder", load_report, ("expected a report at", "found none")),
    ]


def _writing() -> list[Case]:
    """Writers that are given what they cannot write must leave nothing behind."""

    def written(change: Callable[[Path], object]) -> Callable[[Path], object]:
        def run(folder: Path) -> object:
            before = sorted(folder.iterdir())
            try:
                return change(folder)
            finally:
                left = [p.name for p in sorted(folder.iterdir()) if p not in before and p.name != "events.parquet"]
                if left:
                    raise AssertionError(f"left behind: {left}")

        return run

    def wrong_dose(folder: Path) -> object:
        t = read(table(), folder).trajectories
        return write_meds(t.replace(dose=t.dose - 1), folder / "out", task())

    def wrong_spec(folder: Path) -> object:
        t = read(table(), folder).trajectories
        return write_meds(t.replace(spec=Spec((), ())), folder / "out", task())

    def occupied(folder: Path) -> object:
        read(table(), folder)
        return save_trajectories(read(table(), folder).trajectories, folder)

    return [
        Case("writing", "doses below zero", written(wrong_dose), ("expected doses within",)),
        Case("writing", "a cohort of another task", written(wrong_spec), ("spec is not that of the task",)),
        Case("writing", "a folder that is there already", written(occupied), ("exists", "choose another folder")),
    ]
