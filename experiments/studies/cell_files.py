"""Cells of a study: files of their own, each computed once, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..progress import bar

JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fill(
    work: Callable[..., None],
    todo: Mapping[Path, tuple[Any, ...]],
    *,
    jobs: int = JOBS,
    title: str,
    again: bool = False,
) -> int:
    """Call `work(path, *arguments)`, which writes `path` whole or not at all, for every file that is not there yet.

    With `again`, for those that are there as well. With more than one job in processes of one thread each, so that
    `work` must be a function of a module. How many files were missing is returned; the first error is raised when
    those under way are done.
    """
    missing = {path: arguments for path, arguments in todo.items() if again or not path.is_file()}
    for folder in {path.parent for path in missing}:
        folder.mkdir(parents=True, exist_ok=True)
    if not missing:
        return 0
    with bar(Console(stderr=True), title) as report:
        if jobs == 1 or len(missing) == 1:
            for number, (path, arguments) in enumerate(missing.items()):
                report(number / len(missing), path.stem)
                work(path, *arguments)
            return len(missing)
        with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
            running = {pool.submit(work, path, *arguments): path for path, arguments in missing.items()}
            for number, done in enumerate(as_completed(running), 1):
                done.result()
                report(number / len(missing), running[done].stem)
    return len(missing)


def _one_thread() -> None:
    torch.set_num_threads(1)
