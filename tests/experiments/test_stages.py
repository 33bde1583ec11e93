import shutil
import subprocess
import sys

import pytest
from posology.experiments.code import PARTS, ROOT, code_key
from posology.experiments.plan import key_of, planned
from posology.experiments.stages import Run, RunBusyError, checkpoints, unfinished, write_text
from posology.trajectories.checkpoint import Checkpoint


def plan(**settings):
    made = {}
    made["a"] = planned(made, "a", "doing a", **settings)
    made["b"] = planned(made, "b", "doing b", "a", y=1)
    return made


def run_in(tmp_path, **settings):
    run = Run(tmp_path / "run", plan(**settings))
    run.folder.mkdir(exist_ok=True)
    return run


def build_with(text, calls):
    def build(folder, progress):
        calls.append(text)
        (folder / "out.txt").write_text(text)

    return build


def load(folder):
    return (folder / "out.txt").read_text()


def test_a_key_changes_with_every_setting_and_with_every_stage_that_is_needed():
    one, two = plan(x=1), plan(x=2)
    assert one["a"].key == plan(x=1)["a"].key != two["a"].key
    assert one["b"].settings == two["b"].settings and one["b"].key != two["b"].key
    assert key_of(x=1, y=2) == key_of(y=2, x=1) != key_of(x=2, y=1)


def test_a_finished_stage_is_reused_until_its_key_changes(tmp_path):
    calls = []
    assert run_in(tmp_path, x=1).stage("a", build_with("one", calls), load) == "one"
    assert run_in(tmp_path, x=1).stage("a", build_with("never", calls), load) == "one"
    assert run_in(tmp_path, x=2).stage("a", build_with("two", calls), load) == "two"
    assert calls == ["one", "two"]
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["a"]


def test_a_stage_that_nobody_planned_is_refused(tmp_path):
    with pytest.raises(KeyError, match="not planned"):
        run_in(tmp_path).stage("c", build_with("x", []), load)


def test_an_interrupted_stage_leaves_nothing_that_looks_finished(tmp_path):
    run, calls = run_in(tmp_path), []

    def fails(folder, progress):
        (folder / "out.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.stage("a", fails, load)
    assert not run.done("a")
    assert run.stage("a", build_with("whole", calls), load) == "whole"


def interrupted(run, steps):
    """A stage of three steps with a checkpoint after each, interrupted after `steps`."""
    done = []

    def build(folder, progress):
        place = Checkpoint.within(folder, every=0.0)
        start = (place.load() or {"step": 0})["step"]
        assert not (folder / "half.txt").exists()
        (folder / "half.txt").write_text("left behind")
        for step in range(start, 3):
            if len(done) == steps:
                raise KeyboardInterrupt
            done.append(step)
            place.save(step=step + 1)
        (folder / "out.txt").write_text("whole")

    return done, build


def test_an_interrupted_stage_goes_on_from_its_checkpoint_and_from_nothing_else(tmp_path):
    run = run_in(tmp_path, x=1)
    done, build = interrupted(run, steps=2)
    with pytest.raises(KeyboardInterrupt):
        run.stage("a", build, load)
    assert done == [0, 1] and len(checkpoints(run.folder, run.plan["a"])) == 1
    done, build = interrupted(run, steps=9)
    assert run.stage("a", build, load) == "whole" and done == [2]
    assert sorted(p.name for p in (run.folder / "a").iterdir()) == ["half.txt", "out.txt", "stage.json"]


def test_a_checkpoint_of_other_settings_is_dropped(tmp_path):
    run = run_in(tmp_path, x=1)
    with pytest.raises(KeyboardInterrupt):
        run.stage("a", interrupted(run, steps=2)[1], load)
    run = run_in(tmp_path, x=2)
    assert checkpoints(run.folder, run.plan["a"]) == []
    done, build = interrupted(run, steps=9)
    run.stage("a", build, load)
    assert done == [0, 1, 2]


def test_a_stage_killed_just_before_it_is_moved_is_not_done_again(tmp_path):
    run, calls = run_in(tmp_path), []
    run.stage("a", build_with("one", calls), load)
    (run.folder / "a").rename(unfinished(run.folder, "a"))
    assert run.stage("a", build_with("two", calls), load) == "one" and calls == ["one"]


def test_starting_over_removes_stages_and_nothing_else(tmp_path):
    run = run_in(tmp_path)
    run.stage("a", build_with("one", []), load)
    unfinished(run.folder, "b").mkdir()
    (run.folder / "notes").mkdir()
    (run.folder / "report.json").write_text("{}")
    run.clear()
    assert sorted(p.name for p in run.folder.iterdir()) == ["notes", "report.json"]


HOLD = """
import sys, time
from pathlib import Path
from posology.experiments.stages import Run
with Run(Path(sys.argv[1]), {}).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_two_processes_in_one_run_are_refused(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(RunBusyError, match="another process"), Run(tmp_path, {}).locked():
            pass
        other.kill()
    with Run(tmp_path, {}).locked():
        pass


def test_text_is_written_whole(tmp_path):
    write_text(tmp_path / "a.txt", "ä")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ä"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def sources(place):
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def test_a_key_changes_with_the_code_that_counts_and_not_with_the_code_that_draws(tmp_path):
    root = tmp_path / "code"
    for path in (p for kind in PARTS.values() for part in kind for p in sources(ROOT / part)):
        (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, root / path.relative_to(ROOT))
    before = {kind: code_key(kind, root) for kind in PARTS}
    assert len(set(before.values())) == 4
    for path, changed in (
        ("evaluation/page_lesson.py", set()),
        ("evaluation/safety.py", {"verdicts"}),
        ("agents/sb3.py", {"verdicts", "policies"}),
        ("patient_models/lstm.py", {"verdicts", "policies", "patients"}),
        ("trajectories/grid.py", set(PARTS)),
    ):
        (root / path).write_text((root / path).read_text() + "\n# changed\n")
        after = {kind: code_key(kind, root) for kind in PARTS}
        assert {kind for kind in PARTS if after[kind] != before[kind]} == changed, path
        before = after


def test_a_fault_leaves_no_half_written_stage_unless_there_is_a_checkpoint_to_go_on_from(tmp_path):
    run = run_in(tmp_path, x=1)

    def fail(folder, progress):
        (folder / "half").write_text("written")
        raise ValueError("no stay fits")

    def fail_later(folder, progress):
        Checkpoint.within(folder).save(epoch=1)
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="no stay fits"):
        run.stage("a", fail, load)
    assert list(run.folder.iterdir()) == []
    with pytest.raises(ValueError, match="out of memory"):
        run.stage("a", fail_later, load)
    assert len(checkpoints(run.folder, run.plan["a"])) == 1
