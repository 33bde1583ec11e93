"""Searching many slices at once, against numpy's own search one slice at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from posology.trajectories.ranges import bisect, expand

slices = st.lists(st.lists(st.integers(-9, 9), max_size=6).map(sorted), min_size=1, max_size=6)


@given(slices, st.lists(st.integers(-10, 10), min_size=6, max_size=6))
def test_bisect(parts, targets) -> None:
    edges = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    values = np.array([v for part in parts for v in part], np.int64)
    target = np.array(targets[: len(parts)], np.int64)
    expected = [e + np.searchsorted(p, t) for e, p, t in zip(edges[:-1], parts, target, strict=True)]
    assert bisect(values, edges[:-1], edges[1:], target).tolist() == expected


@given(st.lists(st.tuples(st.integers(-5, 20), st.integers(-5, 20)), max_size=8))
def test_expand(ranges) -> None:
    low, high = np.array(ranges, np.int64).reshape(-1, 2).T
    owner, index = expand(low, high)
    expected = [(q, i) for q, (a, b) in enumerate(ranges) for i in range(a, b)]
    assert list(zip(owner.tolist(), index.tolist(), strict=True)) == expected
