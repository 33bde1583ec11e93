import subprocess
import sys

import pytest
from posology.experiments.stages import Run, RunBusyError, key_of, write_text


def build_with(text, calls):
    def build(folder, progress):
        calls.append(text)
        (folder / "out.txt").write_text(text)

    return build


def load(folder):
    return (folder / "out.txt").read_text()


def test_a_finished_stage_is_reused_until_its_key_changes(tmp_path):
    run, calls = Run(tmp_path / "run"), []
    run.folder.mkdir()
    assert run.stage("a", key_of(x=1), "a", build_with("one", calls), load) == "one"
    assert run.stage("a", key_of(x=1), "a", build_with("never", calls), load) == "one"
    assert run.stage("a", key_of(x=2), "a", build_with("two", calls), load) == "two"
    assert calls == ["one", "two"]


def test_an_interrupted_stage_leaves_nothing_that_looks_finished(tmp_path):
    run, calls = Run(tmp_path / "run"), []
    run.folder.mkdir()

    def fails(folder, progress):
        (folder / "out.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.stage("a", "k", "a", fails, load)
    assert not run.done("a", "k")
    assert run.stage("a", "k", "a", build_with("whole", calls), load) == "whole"


HOLD = """
import sys, time
from pathlib import Path
from posology.experiments.stages import Run
with Run(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_two_processes_in_one_run_are_refused(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(RunBusyError, match="another process"), Run(tmp_path).locked():
            pass
        other.kill()
    with Run(tmp_path).locked():
        pass


def test_text_is_written_whole(tmp_path):
    write_text(tmp_path / "a.txt", "ä")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ä"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
