"""The loop around every agent that learns from records: updates, early stopping on tuning patients, checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..contracts import Progress
from ..trajectories.checkpoint import Checkpoint
from .logbook import Logbook, unwritten


class Part(Protocol):
    """What a checkpoint holds of an agent: networks, optimisers, draws."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Draws:
    """Standard normals from a generator of its own, which a checkpoint can hold."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state_dict: Any, /) -> None:
        self.generator.set_state(state_dict["generator"])


@dataclass(frozen=True)
class Schedule:
    """How long an agent learns, and when it stops."""

    epochs: int = 40  # at most
    updates: int = 100  # per epoch
    batch_size: int = 512
    patience: int = 6  # epochs without a smaller criterion on tuning patients
    settle: int = 0  # epochs before the criterion counts: values need time to reach a stay's start from its end


@dataclass(frozen=True)
class Told:
    """Who hears how far an agent has come."""

    progress: Progress
    message: str
    log: Logbook = unwritten


def learn_until(
    update: Callable[[Tensor], None],
    criterion: Callable[[], float],
    parts: Mapping[str, Part],
    *,
    rows: int,
    schedule: Schedule,
    seed: int,
    told: Told,
    checkpoint: Checkpoint,
) -> None:
    """Call `update` with random rows (batch,) int64 of 0..rows-1; leave `parts` as they were at the best criterion.

    The criterion, smaller is better, is asked after every epoch and must rest on tuning patients alone; until the
    work has settled it decides nothing. Where a checkpoint stands, the work goes on from it bit by bit.
    """
    generator = torch.Generator().manual_seed(seed)
    best, kept, waited, start = float("inf"), _state(parts), 0, 0
    found = checkpoint.load()
    if found is not None:
        _restore(parts, found["now"])
        generator.set_state(found["generator"])
        best, kept, waited, start = found["best"], found["kept"], found["waited"], found["epoch"]
    for epoch in range(start, schedule.epochs):
        if waited >= schedule.patience:
            break
        for _ in range(schedule.updates):
            update(torch.randint(rows, (min(schedule.batch_size, rows),), generator=generator))
        with torch.no_grad():
            now = criterion()
        settled = epoch >= schedule.settle
        waited = 0 if now < best or not settled else waited + 1
        if now < best or not settled:
            best, kept = now if settled else best, _state(parts)
        told.progress((epoch + 1) / schedule.epochs, told.message)
        told.log("tuning/criterion", now, (epoch + 1) * schedule.updates)
        checkpoint.save(
            epoch=epoch + 1, best=best, kept=kept, waited=waited, now=_state(parts), generator=generator.get_state()
        )
    _restore(parts, kept)
    told.progress(1.0, told.message)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks made inside have the initial weights of this seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _state(parts: Mapping[str, Part]) -> dict[str, Any]:
    return {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}


def _restore(parts: Mapping[str, Part], state: Mapping[str, Any]) -> None:
    for name, part in parts.items():
        part.load_state_dict(copy.deepcopy(state[name]))
