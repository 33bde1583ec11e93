"""Where long work has got to, on disk, so that a killed learner goes on: one safetensors file, no pickle.

A learner takes `checkpoint: Checkpoint = NOWHERE`. Before its loop it asks `checkpoint.load()`, which is None at the
start, and after each epoch it calls `checkpoint.save(epoch=..., network=network.state_dict(),
optimiser=optimiser.state_dict(), generator=generator.get_state(), ...)`: any nesting of dicts, lists, tensors, strings
and numbers comes back as it was, bit by bit. A stage gives `Checkpoint.within(folder)`; `checkpoint.part("member_1")`
is a place of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FOLDER = (
    "checkpoints"  # inside a stage's unfinished folder: kept when the stage is interrupted, dropped when it is done
)
_STATE, _TENSOR, _PAIRS, _TUPLE = "state", "$tensor", "$pairs", "$tuple"
Tree = Any  # dicts, lists and tuples of tensors, numbers, strings, booleans and None


@dataclass(frozen=True)
class Checkpoint:
    """A file for the state of unfinished work, written whole or not at all; without a path, nothing is kept."""

    path: Path | None = None
    every: float = 2.0  # seconds at least between two writes: resuming is exact from any of them
    _written: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def within(cls, folder: Path, name: str = "learner", every: float = 2.0) -> Checkpoint:
        """A checkpoint in a stage's folder."""
        return cls(folder / FOLDER / f"{name}.safetensors", every)

    def part(self, name: str) -> Checkpoint:
        """A checkpoint of its own for one part of the work."""
        if self.path is None:
            return self
        return Checkpoint(self.path.with_name(f"{self.path.stem}_{name}{self.path.suffix}"), self.every)

    def load(self) -> dict[str, Tree] | None:
        """What was saved last, or None; ValueError for a file that is not a checkpoint."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                state, names = json.loads(file.metadata()[_STATE]), list(file.keys())
                tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: expected a checkpoint, got {error}; remove it to start over") from error
        found: dict[str, Tree] = _restored(state, tensors)
        return found

    def save(self, *, last: bool = False, **state: Tree) -> None:
        """Keep `state`, unless the last write was moments ago; `last` always writes."""
        now = time.monotonic()
        if self.path is None or (not last and self._written and now - self._written[-1] < self.every):
            return
        tensors: dict[str, Tensor] = {}
        content = json.dumps(_stored(state, tensors))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        save_file(tensors or {"$none": torch.zeros(0)}, partial, metadata={_STATE: content})
        os.replace(partial, self.path)
        self._written[:] = [time.monotonic()]


NOWHERE = Checkpoint()


def _stored(tree: Tree, tensors: dict[str, Tensor]) -> Tree:
    """The tree as JSON, its tensors by number; TypeError for anything else."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)  # never shared, never a view
        return {_TENSOR: name}
    if isinstance(tree, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in tree):
            return {key: _stored(value, tensors) for key, value in tree.items()}
        return {_PAIRS: [[_stored(k, tensors), _stored(v, tensors)] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        items = [_stored(item, tensors) for item in tree]
        return items if isinstance(tree, list) else {_TUPLE: items}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"a checkpoint holds tensors, numbers, text and nestings of them; got {type(tree).__name__}")


def _restored(tree: Tree, tensors: Mapping[str, Tensor]) -> Tree:
    if isinstance(tree, list):
        return [_restored(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _TENSOR in tree:
        return tensors[tree[_TENSOR]]
    if _PAIRS in tree:
        return {_restored(k, tensors): _restored(v, tensors) for k, v in tree[_PAIRS]}
    if _TUPLE in tree:
        return tuple(_restored(item, tensors) for item in tree[_TUPLE])
    return {key: _restored(value, tensors) for key, value in tree.items()}
