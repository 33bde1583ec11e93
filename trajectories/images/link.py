"""Pictures to stays: by subject and time of acquisition, with everything left out counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .index import ImageIndex

HOUR = 3_600_000_000  # microseconds
LINKED, NO_PATIENT, OUT_OF_STAY, DUPLICATE = "linked", "no such patient", "out of every stay", "duplicate"


@dataclass(frozen=True)
class Linked:
    """What became of each of P pictures."""

    stay: NDArray[np.int64]  # (P,) row of its stay; -1 where it was left out
    outcome: tuple[str, ...]  # (P,) why

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by outcome."""
        return dict(Counter(self.outcome))

    def left_out(self, index: ImageIndex) -> dict[str, list[str]]:
        """Hashed names of the pictures left out, by reason."""
        found: dict[str, list[str]] = {}
        for position, why in enumerate(self.outcome):
            if why != LINKED:
                found.setdefault(why, []).append(index.hashed(position))
        return found


def link_images(
    index: ImageIndex,
    subject: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    *,
    before_hours: float = 24.0,
    after_hours: float = 0.0,
) -> Linked:
    """The stay of each picture: of its subject, taken from `before_hours` before `start` to `after_hours` past `end`.

    `subject`, `start`, `end` (N,) of the stays, in microseconds. Where several stays fit, the latest to have begun by
    then is taken, else the next. A picture of the same subject, time and file as an earlier one is a duplicate.
    """
    low, high = start - round(before_hours * HOUR), end + round(after_hours * HOUR)
    order = np.lexsort((start, subject))
    stay, outcome = np.full(len(index), -1, dtype=np.int64), []
    first, last = (np.searchsorted(subject[order], index.subject, side) for side in ("left", "right"))
    met: set[tuple[int, int, str]] = set()
    for position, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        time = int(index.time[position])
        same = (int(index.subject[position]), time, str(index.path[position]))
        rows = order[a:b]
        fits = rows[(low[rows] <= time) & (time <= high[rows])]
        if same in met:
            outcome.append(DUPLICATE)
        elif not len(rows):
            outcome.append(NO_PATIENT)
        elif not len(fits):
            outcome.append(OUT_OF_STAY)
        else:
            begun = fits[start[fits] <= time]
            stay[position] = begun[-1] if len(begun) else fits[0]
            outcome.append(LINKED)
        met.add(same)
    return Linked(stay, tuple(outcome))
