"""A run folder and its stages: each keyed by what it depends on, written whole or not at all, reused when unchanged."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from ..contracts import Progress
from .progress import bar

T = TypeVar("T")
_RECEIPT = "stage.json"


class RunBusyError(RuntimeError):
    """Another process is working in the run folder."""


def key_of(**parts: object) -> str:
    """Hexadecimal key of JSON-able parts, which change it when they change."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Run:
    """A folder `runs/<name>-<hash>/`: its finished stages, and the seconds that each took."""

    folder: Path
    console: Console = field(default_factory=lambda: Console(quiet=True))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; RunBusyError where another has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunBusyError(f"{self.folder}: another process is working in this run; wait for it") from None
            yield

    def done(self, name: str, key: str) -> bool:
        """Whether the stage `name` stands finished under `key`."""
        receipt = self.folder / name / _RECEIPT
        return receipt.is_file() and json.loads(receipt.read_text())["key"] == key

    def stage(
        self,
        name: str,
        key: str,
        title: str,
        build: Callable[[Path, Progress], None],
        load: Callable[[Path], T],
    ) -> T:
        """What `load` reads from the stage's folder, which `build` fills first unless it stands finished under `key`.

        Loading always goes through the disk, so that a resumed run computes with the very numbers of a straight one.
        """
        target = self.folder / name
        if not self.done(name, key):
            start = time.perf_counter()
            work = target.with_name(target.name + ".tmp")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            with bar(self.console, title) as progress:
                build(work, progress)
            receipt = {"key": key, "seconds": round(time.perf_counter() - start, 3)}
            (work / _RECEIPT).write_text(json.dumps(receipt))
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
        self.seconds[name] = json.loads((target / _RECEIPT).read_text())["seconds"]
        return load(target)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
