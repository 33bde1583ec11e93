"""Random records: their times fall on decisions, a second or a microsecond beside them, and in between."""

from __future__ import annotations

from hypothesis import strategies as st

HOUR, SECOND = 3_600_000_000, 1_000_000  # microseconds
BASE = 40 * 365 * 24 * HOUR  # of the first admission, since 1970

CODES = [
    "LAST",
    "LAST_F",
    "MEAN",
    "MEAN_2",
    "RATE",
    "MANY//1",
    "MANY//2",
    "SHOCK",
    "LATE",
    "WEIGHT",
    "WEIGHT_2",
    "GENDER//M",
]
CODES += [f"INFUSION_{kind}//{item}" for item in "ABF" for kind in ("START", "END")] * 2
CODES += ["ICU_ADMISSION//X", "ICU_DISCHARGE", "DIED", "RECORD_END", "UNWANTED", "CALL"]
RICH_CODES = ["MANY//1", "MANX", "MON", "LAST", "MEAN", "MEAN_2", "RATE", "WEIGHT", "RECORD_END", "DIED", "HOSPITAL//7"]
RICH_CODES += ["ROW//A//kg", "ROW//A//min", "ROW//A//ml", "ROW//A//stone", "ROW//B//kg", "GIVEN//F1", "GIVEN//F2"] * 2
RICH_CODES += ["INFUSION_START//C", "INFUSION_END//C", "HOSPITAL//8", "ICU_ADMISSION//Y", "ICU_DISCHARGE"]
times = st.builds(
    lambda halves, offset: BASE + halves * HOUR // 2 + offset,
    st.integers(-30, 50),
    st.sampled_from([0, SECOND, SECOND - 1, SECOND + 1, 777 * SECOND]),
)
numbers = st.one_of(st.none(), st.integers(-5, 100).map(float), st.sampled_from([0.5, 1.25, 33.5]))
rich_events_of_subject = st.lists(st.tuples(times, st.sampled_from(RICH_CODES), numbers), max_size=70)
events_of_subject = st.lists(st.tuples(times, st.sampled_from(CODES), numbers), max_size=60)


def records_of(subjects: list, births: list[int]) -> list:
    events: list = []
    for subject, (own, birth) in enumerate(zip(subjects, births, strict=False)):
        events.append((subject, BASE - birth * 365 * 24 * HOUR, "MEDS_BIRTH", None))
        events.append((subject, BASE, "ICU_ADMISSION//X", None))
        events += [(subject, *event) for event in own]
        events.append((subject, BASE + 26 * HOUR, "ICU_DISCHARGE", None))
    return events
