"""What a speed comparison is, and how it is measured: two ways to do the same work, interleaved in one process."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

PROBE = 512  # rows and columns of the matrix product that tells the machine's limit


@dataclass(frozen=True)
class Contest:
    """A reference and a candidate, ready to run. Each call does one round and returns the units of work done."""

    reference: Callable[[], int]
    candidate: Callable[[], int]
    check: Callable[[], None]  # raises AssertionError where the two do not compute the same
    unit: str
    goal: float  # median ratio of the candidate's rate to the reference's
    flops: float | None = None  # floating-point operations that a unit cannot do without


@dataclass(frozen=True)
class Result:
    """Rates in units per second of thread CPU time; ratios travel between machines, rates do not."""

    name: str
    unit: str
    reference_rate: float
    candidate_rate: float
    ratio: float  # median over rounds
    ratio_low: float
    ratio_high: float
    goal: float
    floor_share: float | None  # achieved share of the machine's matrix-product rate
    rounds: int

    @property
    def spread(self) -> float:
        """Range of the ratio over its median; over .3 the machine was too busy to tell."""
        return (self.ratio_high - self.ratio_low) / self.ratio


def contest(table: Mapping[str, str], name: str) -> Contest:
    """Build the comparison `name`; KeyError names the known ones."""
    if name not in table:
        raise KeyError(f"no benchmark {name!r}; known: {', '.join(table)}")
    module, function = table[name].split(":")
    built = getattr(importlib.import_module(f".{module}", __package__), function)()
    if not isinstance(built, Contest):
        raise TypeError(f"{table[name]} must build a Contest, got {type(built).__name__}")
    return built


def measure(name: str, contest: Contest, *, rounds: int = 7) -> Result:
    """Check that both sides compute the same, warm them up, then time them in turn."""
    contest.check()
    for run in (contest.reference, contest.candidate):
        run()
    reference, candidate, limit = [], [], []
    for _ in range(rounds):
        reference.append(rate(contest.reference))
        candidate.append(rate(contest.candidate))
        limit.append(rate(_probe))
    ratios = [c / r for c, r in zip(candidate, reference, strict=True)]
    achieved = statistics.median(candidate)
    floor = None if contest.flops is None else achieved * contest.flops / statistics.median(limit)
    return Result(
        name=name,
        unit=contest.unit,
        reference_rate=statistics.median(reference),
        candidate_rate=achieved,
        ratio=statistics.median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        goal=contest.goal,
        floor_share=floor,
        rounds=rounds,
    )


def rate(run: Callable[[], int]) -> float:
    """Units per second of this thread's CPU time."""
    start = time.thread_time()
    units = run()
    return units / max(time.thread_time() - start, 1e-9)


def _probe() -> int:
    """Floating-point operations of a few square matrix products."""
    a = torch.ones(PROBE, PROBE)
    for _ in range(8):
        a = (a @ a) / PROBE
    return 8 * 2 * PROBE**3
