"""Malformed MEDS datasets, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...trajectories.records import Records, read_trajectories
from ...trajectories.task_file import parse_task
from .malformed_base import ADMITTED, HOUR, PATIENTS, TASK, Case, put, read, table, unchanged

Change = Callable[[pa.Table], pa.Table]


def cases() -> list[Case]:
    """All of them."""
    return [*_columns(), *_types(), *_values(), *_times(), *_people(), *_codes()]


def _case(name: str, change: Change, *message: str, right: Callable[[Records], bool] | None = None) -> Case:
    check = None if message else (right or unchanged)
    return Case("MEDS", name, lambda folder: read(change(table()), folder), message, check)


def _with(name: str, make: Callable[[pa.ChunkedArray], object]) -> Change:
    """One column changed."""
    return lambda t: t.set_column(t.schema.get_field_index(name), name, make(t[name]))


def _cast(name: str, kind: pa.DataType) -> Change:
    return _with(name, lambda column: column.cast(kind))


def _less(name: str) -> Change:
    return lambda t: t.drop_columns([name])


def _twice(name: str) -> Change:
    return lambda t: t.append_column(name, t[name])


def _columns() -> list[Case]:
    names = ("subject_id", "time", "code", "numeric_value")
    missing = [_case(f"no column {n}", _less(n), "events.parquet", repr(n), "expected") for n in names]
    twice = [_case(f"column {n} twice", _twice(n), "events.parquet", repr(n), "keep one") for n in names]
    struct = pa.array([{"a": 1}] * len(table()))
    return [
        *missing,
        *twice,
        _case("an extra nested column", lambda t: t.append_column("more", struct)),
        _case("columns in another order", lambda t: t.select(["code", "numeric_value", "time", "subject_id"])),
        _case("numbers under the name value", lambda t: t.rename_columns(["subject_id", "time", "code", "value"])),
    ]


def _types() -> list[Case]:
    wrong = [("subject_id", pa.string()), ("time", pa.int64()), ("time", pa.string()), ("numeric_value", pa.string())]
    listed = _with("code", lambda c: pa.array([[code] for code in c.to_pylist()]))
    same = [("subject_id", pa.int32()), ("time", pa.timestamp("ns")), ("time", pa.timestamp("ms"))]
    same += [("time", pa.timestamp("us", "UTC")), ("code", pa.large_string()), ("numeric_value", pa.float64())]
    clear = ("events.parquet", "row group", "expected", "cast it")
    return [
        *(_case(f"{n} as {k}", _cast(n, k), *clear, repr(n)) for n, k in wrong),
        _case("codes as numbers", _with("code", lambda c: pa.array(range(len(c)))), *clear, "'code'"),
        _case("codes as lists", listed, *clear, "'code'"),
        _case("numbers as decimals", _cast("numeric_value", pa.decimal128(20, 4)), *clear, "'numeric_value'"),
        _case("codes as bytes", _cast("code", pa.binary()), *clear, "'code'"),
        _case("time of no type", _with("time", lambda c: pa.nulls(len(c))), *clear, "'time'"),
        *(_case(f"{n} as {k}", _cast(n, k)) for n, k in same),
        _case("codes as a dictionary", _with("code", lambda c: c.dictionary_encode())),
        _case(
            "no number at all",
            _with("numeric_value", lambda c: pa.nulls(len(c))),
            right=lambda r: not r.trajectories.seen.any() and not r.trajectories.dose.any(),
        ),
    ]


def _values() -> list[Case]:
    def first(code: str, value: float | None) -> Change:
        """The first number of each patient's code replaced."""
        return lambda t: t.set_column(
            3,
            "numeric_value",
            pc.if_else(pc.equal(t["code"], code), pa.scalar(value, pa.float32()), t["numeric_value"]),
        )

    gone = [("infinite", np.inf), ("minus infinite", -np.inf), ("not a number", np.nan), ("null", None), ("1e38", 1e38)]
    rates = [("an infinite rate", np.inf), ("a negative rate", -1.0), ("a rate without a number", None)]
    return [
        *(
            _case(f"lactate {n}", first("LACTATE", v), right=lambda r: not r.trajectories.seen[:, :, 1].any())
            for n, v in gone
        ),
        *(_case(n, first("INFUSION_START//A", v), right=lambda r: not r.trajectories.dose.any()) for n, v in rates),
        _case(
            "a rate of 1e30",
            first("INFUSION_START//A", 1e30),
            right=lambda r: r.coverage.drugs[0].clipped == PATIENTS and float(r.trajectories.dose.max()) <= 2,
        ),
    ]


def _moved(code: str, hours: float) -> Change:
    """Every event of one code that many hours later."""
    shift = int(hours * HOUR)

    def change(t: pa.Table) -> pa.Table:
        time = t["time"].cast(pa.int64())
        later = pc.if_else(pc.equal(t["code"], code), pc.add(time, shift), time)
        return t.set_column(1, "time", later.cast(pa.timestamp("us")))

    return change


def _times() -> list[Case]:
    def order(t: pa.Table) -> pa.Table:
        return t.take(pa.array(np.random.default_rng(0).permutation(len(t))))

    far = _with("time", lambda c: pa.array([1 << 61] * len(c), pa.timestamp("us")))
    overflow = _with("time", lambda c: pa.array([1 << 62] * len(c), pa.timestamp("ms")))
    return [
        _case("rows in random order", order),
        _case("rows backwards", lambda t: t.take(pa.array(np.arange(len(t))[::-1]))),
        _case(
            "discharge and death before admission",
            lambda t: _moved("MEDS_DEATH", -50)(_moved("ICU_DISCHARGE", -50)(t)),
            "no stay fits",
            "end recorded: 0",
        ),
        _case(
            "everything at one instant",
            _with("time", lambda c: pa.array([ADMITTED] * len(c), pa.timestamp("us"))),
            "no stay fits",
            "end recorded: 0",
        ),
        _case(
            "no times at all", _with("time", lambda c: pa.array([None] * len(c), pa.timestamp("us"))), "no stay fits"
        ),
        _case("born after admission", _moved("MEDS_BIRTH", 24 * 365 * 50), "no stay fits", "aged 18 or more: 0"),
        _case("years beyond the calendar", far, "events.parquet", "row group 0", "'time'", "repair"),
        _case("milliseconds beyond microseconds", overflow, "events.parquet", "row group 0", "'time'"),
        _case(
            "an infusion that ends before it starts",
            _moved("INFUSION_END//A", -6),
            right=lambda r: r.coverage.drugs[0].unpaired == 2 * PATIENTS,
        ),
    ]


def _people() -> list[Case]:
    def only(*subjects: int) -> Change:
        return lambda t: t.filter(pc.is_in(t["subject_id"], pa.array(subjects, pa.int64())))

    def without(code: str) -> Change:
        return lambda t: t.filter(pc.not_equal(t["code"], code))

    def all_die(t: pa.Table) -> pa.Table:
        return _with("code", lambda c: pc.replace_substring(c, "ICU_DISCHARGE", "MEDS_DEATH"))(t)

    huge = _with("subject_id", lambda c: pa.array([2**63 + i for i in c.to_pylist()], pa.uint64()))
    return [
        _case("one patient", only(3), right=lambda r: len(r.trajectories) == 1),
        _case("no patient", only(), "no stay fits", "stays: 0"),
        _case("all die", all_die, right=lambda r: bool((r.trajectories.outcome == 2).all())),
        _case(
            "nobody is discharged or dies", lambda t: without("MEDS_DEATH")(without("ICU_DISCHARGE")(t)), "no stay fits"
        ),
        _case("a drug never given", without("INFUSION_START//A"), right=lambda r: not r.trajectories.dose.any()),
        _case(
            "a feature never measured",
            without("LACTATE"),
            right=lambda r: "no code of lactate occurs in these records" in r.warnings,
        ),
        _case("nobody was born", without("MEDS_BIRTH"), "no stay fits", "aged 18 or more: 0"),
        _case("nobody was admitted", without("ICU_ADMISSION"), "no stay fits", "stays: 0"),
        _case(
            "a row without a subject",
            _with("subject_id", lambda c: pa.array([None, *c.to_pylist()[1:]], pa.int64())),
            "events.parquet",
            "row group 0",
            "subject_id",
            "repair",
        ),
        _case("subjects beyond int64", huge, "events.parquet", "row group 0", "'subject_id'"),
        _case("negative subjects", _with("subject_id", pc.negate), right=lambda r: len(r.trajectories) == PATIENTS),
    ]


def _codes() -> list[Case]:
    def broken(t: pa.Table) -> pa.Table:
        data = [code.encode() for code in t["code"].to_pylist()]
        data[60] = b"LACTATE\xff\xfe"
        raw = pa.array(data, pa.binary())
        return t.set_column(2, "code", pa.Array.from_buffers(pa.string(), len(raw), raw.buffers()))

    unknown = _with("code", lambda c: pa.array(["X"] * len(c)))
    some_null = _with("code", lambda c: pa.array([None if x == "GENDER//M" else x for x in c.to_pylist()], pa.string()))
    other_unit = _with("code", lambda c: pc.replace_substring(c, "MAP//ART//mmHg", "MAP//ART//kPa"))
    many = TASK.replace(
        "features:\n",
        "features:\n"
        + "".join(f"  x{i}: {{codes: [X//{i}], low: 0, high: 9, reference: [1, 2]}}\n" for i in range(10_000)),
    )
    return [
        _case("unknown codes only", unknown, "no stay fits", "check its codes"),
        _case("rows without a code", some_null),
        _case("a code that is not UTF-8", broken, "events.parquet", "row group 1", "'code'", "repair"),
        _case("numbers in another unit", other_unit, right=lambda r: any("MAP//ART//kPa" in w for w in r.warnings)),
        Case(
            "MEDS",
            "10,000 features",
            lambda f: read_trajectories(put(table(), f / "e.parquet"), parse_task(many, "many")),
            (),
            lambda r: r.trajectories.vitals.shape[2] == 10_002,
        ),
        _site("a site column that is missing", lambda t: t, "site column 'ward'"),
        _site("sites as fractions", lambda t: t.append_column("ward", pa.array([1.5] * len(t))), "'ward'", "cast it"),
        Case(
            "MEDS",
            "sites unknown",
            lambda f: _sited(f, lambda t: t.append_column("ward", pa.nulls(len(t), pa.string()))),
            (),
            lambda r: bool((r.trajectories.site == -1).all()),
        ),
    ]


def _sited(folder: Path, change: Change) -> Records:
    sited = TASK.replace("min_age: 18", "min_age: 18, site: {column: ward}")
    return read_trajectories(put(change(table()), folder / "events.parquet"), parse_task(sited, "sited"))


def _site(name: str, change: Change, *message: str) -> Case:
    return Case("MEDS", name, lambda folder: _sited(folder, change), ("events.parquet", *message))
