"""Malformed input ends in a clear error or a right result: every case made by hand, and some made by chance."""

from __future__ import annotations

import pytest
from posology.experiments.studies import malformed_files, malformed_meds, malformed_random, malformed_shards
from posology.experiments.studies.malformed import GOOD, page, try_all
from posology.experiments.studies.malformed_base import Case, judge
from posology.trajectories.events import MedsError


@pytest.mark.parametrize(
    "cases",
    [
        malformed_meds.cases() + malformed_shards.cases(),
        malformed_files.cases(),
        malformed_random.cases(seed=1, files=20, texts=40),
    ],
    ids=["MEDS", "files", "random"],
)
def test_no_case_is_a_defect(cases) -> None:
    found = try_all(cases)
    assert len(found) == len(cases) > 50
    assert [outcome for outcome in found if outcome.kind not in GOOD] == []


def said(message: str, error: type[Exception] = MedsError):
    def run(folder):
        raise error(message)

    return run


def test_the_judge_tells_defects_apart(tmp_path) -> None:
    def kind(case: Case) -> str:
        return judge(case, tmp_path / case.name).kind

    def in_a_library(folder):
        return int("x")

    assert kind(Case("x", "1", lambda f: 3, (), lambda r: r == 3)) == "correct result"
    assert kind(Case("x", "2", lambda f: 3, (), lambda r: r == 4)) == "accepted, or wrong result"
    assert kind(Case("x", "3", lambda f: 3, ("file",))) == "accepted, or wrong result"
    assert kind(Case("x", "4", lambda f: malformed_files.load_broken_task(f, b"["), ("case.yaml",))) == "clear error"
    assert kind(Case("x", "5", lambda f: malformed_files.load_broken_task(f, b"["), ("row",))) == "error without 'row'"
    assert kind(Case("x", "6", in_a_library, ("x",))) == "error from inside a library"
    assert kind(Case("x", "7", said("", RuntimeError), ("x",))) == "traceback"
    assert kind(Case("x", "8", lambda f: malformed_files.load_broken_task(f, b"["), (), bool)) == "unexpected error"


def test_the_page_counts_every_outcome() -> None:
    found = try_all(malformed_files.cases()[:12])
    text = page(found, found[:5])
    assert "| task | by hand | 12 | 12 | 0 |" in text and "| task | at random | 5 | 5 | 0 |" in text
    assert text.count("| task | ") == 2 + 12
