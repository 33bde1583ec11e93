"""Pairing of infusions and the doses they add up to."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from posology.trajectories.codes import CodeBook
from posology.trajectories.decision_times import decision_times
from posology.trajectories.doses import dose
from posology.trajectories.infusions import find_infusions
from posology.trajectories.meds import HOUR, Events
from posology.trajectories.pairing import pair
from posology.trajectories.records import wanted_patterns
from posology.trajectories.stays import Stays

moments = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=14)


def events_at(moments: list[tuple[int, int]]) -> Events:
    subject, time = np.array(sorted(moments), np.int64).reshape(-1, 2).T
    return Events(subject, time, np.zeros(len(subject), np.int32), np.zeros(len(subject)), 0 * subject)


@settings(max_examples=150, deadline=None)
@given(starts=moments, ends=moments)
def test_first_in_first_out(starts, ends) -> None:
    """Against a plain queue: each end closes the oldest infusion that runs; at one time, starts come first."""
    a, b = events_at(starts), events_at(ends)
    walk = sorted([(s, t, 0, i) for i, (s, t) in enumerate(sorted(starts))]
                  + [(s, t, 1, i) for i, (s, t) in enumerate(sorted(ends))])  # fmt: skip
    queues: dict[int, list[int]] = {}
    expected = []
    for subject, _, kind, i in walk:
        queue = queues.setdefault(subject, [])
        if kind == 0:
            queue.append(i)
        elif queue:
            expected.append((queue.pop(0), i))
    first, last = pair(a, b)
    assert sorted(zip(first.tolist(), last.tolist(), strict=True)) == sorted(expected)


def given_dose(task, rows: list[tuple[float, str, float]], end: float = 10.0) -> np.ndarray:
    """Dose (T, U) of one stay from time 0 to `end` hours, from events (hours, code, number)."""
    book = CodeBook(wanted_patterns(task))
    rows = sorted(rows)
    time = np.array([round(r[0] * HOUR) for r in rows], np.int64)
    events = Events(0 * time, time, book.number([r[1] for r in rows]), np.array([r[2] for r in rows]), 0 * time)
    zero = np.zeros(1, np.int64)
    infusions, _ = find_infusions(events, book, task)
    last = np.array([round(end * HOUR)])
    stay = Stays(zero, zero, last, zero, decision_times(None, zero, zero, last, task), zero)
    return dose(infusions, stay, task, np.empty((1, 0)))[0]


def test_rates_count_for_the_time_they_overlap(small_task) -> None:
    rows = [(-1.0, "INFUSION_START//A", 1.0), (2.0, "INFUSION_END//A", 9.0)]
    rows += [(3.0, "INFUSION_START//B", 4.0), (9.0, "INFUSION_END//B", 9.0)]
    np.testing.assert_allclose(given_dose(small_task, rows)[:, 0], [2 / 4 + 0.4 / 4, 0.4, 0.4 * 1 / 2])


def test_overlapping_amounts_add_up_whichever_bag_they_came_from(small_task) -> None:
    rows = [(0.0, "INFUSION_START//F", 1.0), (1.0, "INFUSION_START//F", np.nan)]
    rows += [(2.0, "INFUSION_END//F", 300.0), (9.0, "INFUSION_END//F", 800.0)]
    given_fluid = given_dose(small_task, rows)[:, 1] * [4, 4, 2]
    np.testing.assert_allclose(given_fluid, [300 + 300, 400, 100])


def test_a_bolus_at_an_instant_falls_into_the_interval_it_starts(small_task) -> None:
    rows = [(4.0, "INFUSION_START//F", np.nan), (4.0, "INFUSION_END//F", 80.0)]
    np.testing.assert_allclose(given_dose(small_task, rows)[:, 1], [0, 20, 0])


def test_an_infusion_without_an_end_runs_no_longer_than_the_task_says(small_task) -> None:
    np.testing.assert_allclose(given_dose(small_task, [(2.0, "INFUSION_START//A", 1.0)])[:, 0], [0.5, 0.25, 0])
    rows = [(2.0, "INFUSION_START//A", 1.0), (3.0, "INFUSION_START//A", 0.0)]
    np.testing.assert_allclose(given_dose(small_task, rows)[:, 0], [0.25, 0, 0])


@settings(max_examples=100, deadline=None)
@given(bags=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 12), st.integers(0, 500)), max_size=8))
def test_no_amount_is_lost_or_invented(bags, small_task) -> None:
    """The volume over the horizon is what was charted, for bags that run within it."""
    rows = [(s / 2, "INFUSION_START//F", np.nan) for s, _, _ in bags]
    rows += [(min((s + d) / 2, 11.9), "INFUSION_END//F", float(v)) for s, d, v in bags]
    given_fluid = given_dose(small_task, rows, end=12.0)[:, 1] * 4
    np.testing.assert_allclose(given_fluid.sum(), sum(v for _, _, v in bags), rtol=1e-9, atol=1e-9)
