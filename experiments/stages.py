"""A run folder and its stages: each keyed by what it depends on, written whole or not at all, reused when unchanged."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from ..contracts import Progress
from ..trajectories.checkpoint import FOLDER as CHECKPOINTS
from .plan import Plan, Planned
from .progress import bar

T = TypeVar("T")
RECEIPT, LOCK = "stage.json", ".lock"
_UNFINISHED, _REPLACED, _KEY = ".tmp", ".old", "key"


class RunBusyError(RuntimeError):
    """Another process is working in the run folder."""


@dataclass(frozen=True)
class Run:
    """A folder `runs/<name>-<hash>/`: its stages, planned and finished, and the seconds that each took."""

    folder: Path
    plan: Plan
    console: Console = field(default_factory=lambda: Console(quiet=True))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; RunBusyError where another has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunBusyError(f"{self.folder}: another process is working in this run; wait for it") from None
            yield

    def clear(self) -> None:
        """Remove every stage, finished or not, and nothing else that lies in the folder."""
        for path in [p for p in self.folder.iterdir() if p.is_dir()]:
            if (path / RECEIPT).is_file() or path.name.removesuffix(_UNFINISHED).removesuffix(_REPLACED) in self.plan:
                shutil.rmtree(path)

    def done(self, name: str) -> bool:
        """Whether the stage `name` stands finished under its planned key."""
        found = receipt(self.folder / name)
        return found is not None and found["key"] == self._planned(name).key

    def stage(self, name: str, build: Callable[[Path, Progress], None], load: Callable[[Path], T]) -> T:
        """What `load` reads from the stage's folder, which `build` fills first unless it stands finished.

        Loading always goes through the disk, so that a resumed run computes with the very numbers of a straight one.
        `build` meets an empty folder, or one with the checkpoints alone that it left when it was interrupted
        (`trajectories.checkpoint`). KeyError for a stage that is not planned.
        """
        target = self.folder / name
        if not self.done(name):
            self._build(self._planned(name), build)
        self.seconds[name] = (receipt(target) or {})["seconds"]
        return load(target)

    def _planned(self, name: str) -> Planned:
        if name not in self.plan:
            raise KeyError(f"stage {name!r} is not planned; enter it in `plan_of`, beside {', '.join(self.plan)}")
        return self.plan[name]

    def _build(self, stage: Planned, build: Callable[[Path, Progress], None]) -> None:
        work = unfinished(self.folder, stage.name)
        if (receipt(work) or {}).get("key") != stage.key:  # else it was killed when all was done but the renaming
            _prepare(work, stage.key)
            start = time.perf_counter()
            try:
                with bar(self.console, stage.title) as progress:
                    build(work, progress)
            except Exception:
                if not checkpoints(self.folder, stage):  # a fault, and nothing to go on from
                    shutil.rmtree(work, ignore_errors=True)
                raise
            seconds = round(time.perf_counter() - start, 3)
            shutil.rmtree(work / CHECKPOINTS)
            content = {"key": stage.key, "seconds": seconds, "settings": stage.settings, "needs": stage.needs}
            write_text(work / RECEIPT, json.dumps(content, indent=1))
        _move(work, self.folder / stage.name)


def receipt(folder: Path) -> dict[str, Any] | None:
    """Key, seconds, settings and needs of a finished stage, or None."""
    path = folder / RECEIPT
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def unfinished(folder: Path, name: str) -> Path:
    """Where the stage `name` of the run in `folder` is being built."""
    return folder / f"{name}{_UNFINISHED}"


def checkpoints(folder: Path, stage: Planned) -> list[Path]:
    """The checkpoints from which an interrupted stage will go on."""
    place = unfinished(folder, stage.name) / CHECKPOINTS
    if not (place / _KEY).is_file() or (place / _KEY).read_text(encoding="utf-8") != stage.key:
        return []
    return sorted(place.glob("*.safetensors"))


def _prepare(work: Path, key: str) -> None:
    """An empty folder but for the checkpoints that were left under the same key."""
    place = work / CHECKPOINTS
    place.mkdir(parents=True, exist_ok=True)
    kept = (place / _KEY).is_file() and (place / _KEY).read_text(encoding="utf-8") == key
    for path in list(work.iterdir()):
        if path == place and kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not kept:
        place.mkdir()
        write_text(place / _KEY, key)


def _move(work: Path, target: Path) -> None:
    """Put a finished stage in its place, which never holds half of one."""
    old = target.with_name(target.name + _REPLACED)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    work.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
