"""Random tables that are nearly MEDS: read, or refused with the file and a remedy; never an error of a library."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

import posology
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posology.trajectories.meds import MedsError
from posology.trajectories.records import read_trajectories
from random_records import BASE, CODES, HOUR

OURS = Path(posology.__file__).resolve().parent
whole = st.integers(-(2**63), 2**63 - 1)
columns = {
    "subject_id": st.one_of(
        st.tuples(st.just(pa.int64()), st.one_of(st.integers(0, 3), st.none())),
        st.tuples(st.just(pa.int64()), st.integers(0, 3)),
        st.tuples(st.just(pa.uint64()), st.integers(0, 2**64 - 1)),
        st.tuples(st.just(pa.string()), st.text(max_size=3)),
        st.tuples(st.just(pa.float64()), st.floats()),
    ),
    "time": st.one_of(
        st.tuples(st.just(pa.timestamp("us")), st.integers(-30, 60).map(lambda h: BASE + h * HOUR)),
        st.tuples(st.just(pa.timestamp("us")), st.one_of(st.none(), whole)),
        st.tuples(st.just(pa.timestamp("ms")), whole),
        st.tuples(st.just(pa.timestamp("ns")), st.one_of(st.none(), whole)),
        st.tuples(st.just(pa.int64()), whole),
        st.tuples(st.just(pa.date32()), st.integers(0, 40000)),
    ),
    "code": st.one_of(
        st.tuples(st.just(pa.string()), st.sampled_from(CODES)),
        st.tuples(st.just(pa.string()), st.one_of(st.none(), st.text(max_size=5), st.sampled_from(CODES))),
        st.tuples(st.just(pa.large_string()), st.sampled_from(CODES)),
        st.tuples(st.just(pa.binary()), st.binary(max_size=4)),
        st.tuples(st.just(pa.int32()), st.integers(0, 9)),
    ),
    "numeric_value": st.one_of(
        st.tuples(st.just(pa.float32()), st.one_of(st.none(), st.floats(width=32))),
        st.tuples(st.just(pa.float64()), st.one_of(st.none(), st.floats())),
        st.tuples(st.just(pa.int64()), whole),
        st.tuples(st.just(pa.string()), st.text(max_size=3)),
        st.tuples(st.just(pa.bool_()), st.booleans()),
    ),
}


@st.composite
def tables(draw) -> pa.Table:
    rows = draw(st.integers(0, 25))
    made = {}
    for name, kinds in columns.items():
        if draw(st.integers(0, 15)):  # now and then a column is missing
            kind = draw(kinds)[0]
            same = kinds.filter(lambda pair, kind=kind: pair[0] == kind).map(lambda pair: pair[1])
            made[name] = pa.array(draw(st.lists(same, min_size=rows, max_size=rows)), kind)
    return pa.table(made)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=tables(), group=st.integers(1, 9))
def test_tables_that_are_nearly_meds(data, group, small_task) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(data, Path(folder) / "e.parquet", row_group_size=group)
        try:
            records = read_trajectories(Path(folder) / "e.parquet", small_task)
        except MedsError as error:
            assert "e.parquet" in str(error) and str(error).count("\n") == 0
            last = traceback.extract_tb(error.__traceback__)[-1]
            assert OURS in Path(last.filename).resolve().parents and last.line.startswith("raise ")
            return
    for value in vars(records.trajectories).values():
        assert not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all())
