"""What a person sees while a run works: one bar per stage, and a line when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..contracts import Progress as Report


@contextmanager
def bar(console: Console, title: str) -> Iterator[Report]:
    """A progress bar titled `title`, as a function of (share done, message); a plain line where nobody watches."""
    start = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=1.0)

        def report(done: float, message: str) -> None:
            detail = f"{title} [dim]{message}[/]" if message != title else title
            shown.update(task, completed=done, description=detail)

        yield report
    console.print(f"[green]done[/] {title} [dim]{time.perf_counter() - start:.1f} s[/]", highlight=False)
