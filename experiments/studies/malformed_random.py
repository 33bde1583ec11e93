"""Malformed inputs made by chance: parquet files with damaged bytes, task files and configs with damaged text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...trajectories.records import read_trajectories
from .malformed_base import TASK, Case, put, table, task
from .malformed_files import CONFIG, load_broken_config, load_broken_task

Generator = np.random.Generator


def cases(seed: int = 0, files: int = 150, texts: int = 150) -> list[Case]:
    """`files` damaged parquet files and twice `texts` damaged texts; each is to be read, or refused in one sentence."""
    rngs = [np.random.default_rng((seed, i)) for i in range(files + 2 * texts)]
    found = [Case("MEDS", f"damaged bytes {i}", _bytes(rng), (), _any, True) for i, rng in enumerate(rngs[:files])]
    for i, rng in enumerate(rngs[files : files + texts]):
        found.append(Case("task", f"damaged text {i}", _text(TASK, rng, load_broken_task), (), _any, True))
    for i, rng in enumerate(rngs[files + texts :]):
        found.append(Case("config", f"damaged text {i}", _text(CONFIG, rng, load_broken_config), (), _any, True))
    return found


def _text(text: str, rng: Generator, load: Callable[[Path, bytes], object]) -> Callable[[Path], object]:
    return lambda folder: load(folder, damaged(text, rng))


def _any(result: object) -> bool:
    return result is not None


def _bytes(rng: Generator) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        path = put(table(), folder / "events.parquet")
        content = bytearray(path.read_bytes())
        if rng.random() < 0.4:
            content = content[: rng.integers(len(content))]
        else:
            for place in rng.integers(len(content), size=rng.integers(1, 20)):
                content[place] = rng.integers(256)
        path.write_bytes(bytes(content))
        return read_trajectories(path, task())

    return run


def damaged(text: str, rng: Generator) -> bytes:
    """The text with a line lost, doubled or indented, or some characters replaced, swapped or lost."""
    lines = text.strip().split("\n")
    place = rng.integers(len(lines))
    kind = rng.integers(6)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, lines[place])
    elif kind == 2:
        lines[place] = " " * rng.integers(1, 4) + lines[place]
    content = bytearray("\n".join(lines).encode())
    if kind >= 3:
        for _ in range(rng.integers(1, 6)):
            spot = int(rng.integers(len(content)))
            signs = b"{}[]:,-#&*!|>\"'%@`\t\x00\xff0aZ.~? \n"
            content[spot : spot + int(kind == 4)] = bytes([signs[rng.integers(len(signs))]]) if kind < 5 else b""
    return bytes(content)
