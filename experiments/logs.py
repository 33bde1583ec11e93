"""The curves of training, on disk as they grow: RUN/logs/<stage>.jsonl, and for TensorBoard where it is installed.

A killed training that goes on from its checkpoint, or from its start, writes over what it repeats: the file holds the
curve of one training, whatever interrupted it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agents.logbook import Logbook
from .stages import write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "logs"


@contextmanager
def logbook(run: Path, stage: str) -> Iterator[Logbook]:
    """Where a learner writes the curves of one stage; files are made when the first point comes."""
    book = _Book(run / FOLDER, stage)
    try:
        yield book.write
    finally:
        book.close()


def curves(run: Path, stage: str) -> dict[str, dict[int, float]]:
    """The curves of a stage, value by number of decisions or updates; empty where none was written."""
    found: dict[str, dict[int, float]] = {}
    for point in _points(run / FOLDER / f"{stage}.jsonl"):
        found.setdefault(point["tag"], {})[point["step"]] = point["value"]
    return found


@dataclass
class _Book:
    """The open files of one stage."""

    folder: Path
    stage: str
    lines: TextIOWrapper | None = field(default=None, repr=False)
    board: SummaryWriter | None = field(default=None, repr=False)

    def write(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Add a point; the process may be killed at any moment and loses no more than this one."""
        if self.lines is None:
            self._open(global_step)
        assert self.lines is not None
        self.lines.write(json.dumps({"tag": tag, "step": global_step, "value": scalar_value}) + "\n")
        self.lines.flush()
        if self.board is not None:
            self.board.add_scalar(tag, scalar_value, global_step)

    def close(self) -> None:
        """Close what is open."""
        if self.lines is not None:
            self.lines.close()
        if self.board is not None:
            self.board.close()

    def _open(self, step: int) -> None:
        """Keep what was written before `step`, and go on from there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.stage}.jsonl"
        kept = [json.dumps(point) for point in _points(path) if point["step"] < step]
        write_text(path, "".join(f"{line}\n" for line in kept))
        self.lines = path.open("a", encoding="utf-8")
        self.board = _board(self.folder / self.stage, step)


def _points(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a file; a line that a kill cut short is left out."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


def _board(folder: Path, step: int) -> SummaryWriter | None:
    """TensorBoard's writer, hiding what an earlier one wrote from `step` on; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)
