"""Which codes a task's rules met in the records, in which units: used, dropped by declaration, or unknown to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .codes import CodeBook, plain
from .events import Events, slices, timed
from .quantities import Quantity
from .ranges import bisect, expand
from .task import Task

Use = Literal["used", "dropped", "unknown"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CodeUse:
    """One code of one rule. Numbers are as charted, before any conversion."""

    name: str  # of the feature, context column or drug
    code: str
    unit: str  # the code's last part, where it names a unit
    use: Use
    events: int
    numbers: int  # of them, with a number
    at_end: int = 0  # of the events, at the very time that a stay of the patient ended
    least: float | None = None
    mean: float | None = None
    greatest: float | None = None


@dataclass(frozen=True)
class CodeTally:
    """Counts by number in the code book, all (codes,); the book grows, so a later tally may be longer."""

    events: Floats
    numbers: Floats
    at_end: Floats
    total: Floats
    least: Floats
    greatest: Floats

    def __add__(self, other: CodeTally) -> CodeTally:
        size = max(len(self.events), len(other.events))
        start = {"least": np.inf, "greatest": -np.inf}
        joined = {}
        for name in (f.name for f in fields(self)):
            pair = [np.full(size, start.get(name, 0.0)) for _ in range(2)]
            for full, part in zip(pair, (self, other), strict=True):
                own = getattr(part, name)
                full[: len(own)] = own
            joined[name] = {"least": np.minimum, "greatest": np.maximum}.get(name, np.add)(*pair)
        return CodeTally(**joined)


def tally_codes(events: Events, book: CodeBook, task: Task) -> CodeTally:
    """Counts of one part of a dataset."""
    size, known = len(book.codes), np.isfinite(events.value)
    code, value = events.code[known], events.value[known]
    least, greatest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, code, value)
    np.maximum.at(greatest, code, value)
    count = [np.bincount(c, minlength=size).astype(np.float64) for c in (events.code, code)]
    total = np.bincount(code, value, size).astype(np.float64)
    at_end = np.bincount(_at_endings(events, book, task), minlength=size).astype(np.float64)
    return CodeTally(count[0], count[1], at_end, total, least, greatest)


def _at_endings(events: Events, book: CodeBook, task: Task) -> NDArray[np.int32]:
    """Codes of the events at the very time that a stay of their patient ended."""
    outcome = task.outcome
    stops = timed(events, book, [*outcome.discharged, *outcome.died, *outcome.censored])
    new = np.append(True, (np.diff(stops.subject) != 0) | (np.diff(stops.time) != 0))[: len(stops)]
    subject, time = stops.subject[new], stops.time[new]
    start, stop = slices(events, subject)
    _, index = expand(bisect(events.time, start, stop, time), bisect(events.time, start, stop, time + 1))
    return events.code[index]


def variants(pattern: str) -> str | None:
    """The pattern of a code in any unit: CODE//ITEM//UNIT is one of CODE//ITEM//*; None where no unit is named."""
    head, _, last = pattern.rpartition("//")
    return f"{head}//*" if "//" in head and last and plain(last) else None


def variant_patterns(task: Task) -> set[str]:
    """The patterns of every unit in which the task's numbers might be charted."""
    return {pattern for _, _, _, every in _rules(task) for pattern in every}


def code_uses(task: Task, book: CodeBook, tally: CodeTally) -> tuple[CodeUse, ...]:
    """What became of each code met, by rule; a code in a unit that no rule of the task names is unknown."""
    rules = list(_rules(task))
    named = book.matching({p for _, used, dropped, _ in rules for p in (*used, *dropped)})
    found = []
    for name, used, dropped, every in rules:
        uses: dict[int, Use] = {number: "used" for pattern in used for number in book.numbers(pattern)}
        uses |= {n: "dropped" for p in dropped for n in book.numbers(p) if n not in uses}
        uses |= {n: "unknown" for p in every for n in book.numbers(p) if n not in uses and not named[n]}
        found += [
            _use(name, book.codes[n], use, tally, n)
            for n, use in sorted(uses.items(), key=lambda pair: book.codes[pair[0]])
        ]
    return tuple(use for use in found if use.events)


def unknown_units(uses: tuple[CodeUse, ...]) -> list[str]:
    """One warning for each code that no rule names although its like is read."""
    return [
        f"{use.name}: {use.events:,} events of {use.code!r} are in no unit that the task names, and were left out; add "
        "a conversion, or declare drop"
        for use in uses
        if use.use == "unknown"
    ]


def _rules(task: Task) -> Iterator[tuple[str, list[str], list[str], set[str]]]:
    """Name, patterns that are used, patterns dropped by declaration, and patterns of any unit."""
    for name, rule in {**task.features, **task.context}.items():
        used, dropped = list(rule.used), [p for p, how in rule.codes.items() if how.drop]
        yield name, used, dropped, _every(rule)
    for name, drug in task.drugs.items():
        kept = [i for i, how in drug.items.items() if how.drop is None]
        used = [p for i in kept for p in drug.patterns(i)]
        dropped = [p for i in drug.items if i not in kept for p in drug.patterns(i)]
        yield name, used, dropped, {v for p in (*used, *dropped) if (v := variants(p)) is not None}


def _every(rule: Quantity) -> set[str]:
    return {*rule.variants, *(v for p in rule.codes if (v := variants(p)) is not None)}


def _use(name: str, code: str, use: Use, tally: CodeTally, number: int) -> CodeUse:
    if number >= len(tally.events):
        return CodeUse(name, code, "", use, 0, 0)
    numbers = int(tally.numbers[number])
    ranges = (tally.least[number], tally.total[number] / numbers, tally.greatest[number]) if numbers else ()
    head, _, last = code.rpartition("//")
    unit = last if numbers and head and not last.isdigit() else ""  # a number is an item
    at_end = int(tally.at_end[number])
    return CodeUse(name, code, unit, use, int(tally.events[number]), numbers, at_end, *map(float, ranges))
