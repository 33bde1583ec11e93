"""Which end belongs to which start of an infusion: first in, first out."""

from __future__ import annotations

from collections import deque

import numpy as np

from .events import Events
from .ranges import Ints, expand


def pair(starts: Events, ends: Events) -> tuple[Ints, Ints]:
    """Indices of starts and of the ends that belong to them, first in first out per subject (one item's events)."""
    subjects = np.union1d(starts.subject, ends.subject)
    a, b = np.searchsorted(starts.subject, subjects), np.searchsorted(ends.subject, subjects)
    n = np.searchsorted(starts.subject, subjects, "right") - a
    m = np.searchsorted(ends.subject, subjects, "right") - b
    owner, first = expand(a, np.where(n == m, a + n, a))
    last = first - a[owner] + b[owner]
    backwards = np.bincount(owner, starts.time[first] > ends.time[last], len(subjects)) > 0
    regular = ~backwards[owner]  # as many ends as starts, none before its start: the k-th ends the k-th
    firsts, lasts = [first[regular]], [last[regular]]
    for row in np.flatnonzero((n != m) | backwards):
        queued = _queue(starts.time[a[row] : a[row] + n[row]], ends.time[b[row] : b[row] + m[row]])
        firsts.append(queued[:, 0] + a[row])
        lasts.append(queued[:, 1] + b[row])
    return np.concatenate(firsts), np.concatenate(lasts)


def _queue(starts: Ints, ends: Ints) -> Ints:
    """Pairs (P, 2) of a subject whose record has gaps: each end closes the oldest infusion still running."""
    waiting: deque[int] = deque()
    pairs = []
    i = 0
    for j, end in enumerate(ends):
        while i < len(starts) and starts[i] <= end:
            waiting.append(i)
            i += 1
        if waiting:
            pairs.append((waiting.popleft(), j))
    return np.array(pairs, np.int64).reshape(-1, 2)
