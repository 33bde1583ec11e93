"""A small task that uses every rule, and ways to put events on disk and to invent trajectories."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from posology.contracts import Trajectories
from posology.trajectories.carry import carry, limits, pad
from posology.trajectories.quantities import Conversion
from posology.trajectories.task import Task
from posology.trajectories.task_file import parse_task

sys.path.append(str(Path(__file__).parent))  # for slow_reference and random_records

Event = tuple[int, int | None, str, float | None]  # subject, microseconds, code, number

SMALL = """
name: small
interval: 4
horizon: 3
cohort:
  label: stays
  anchor: [ICU_ADMISSION//*]
  min_age: 18
  conditions:
    - {label: shock, hours: [-6, 12], any: [{codes: [LAST], below: 20}, {codes: [SHOCK]}, {codes: [LATE], delay: 2}]}
outcome: {discharged: [ICU_DISCHARGE], died: [DIED], died_within: 2, censored: [RECORD_END]}
features:
  last: {codes: {LAST: {}, LAST_F: {factor: 0.5, offset: -3}}, low: 0, high: 90, reference: [20, 60], max_age: 10}
  mean: {codes: [MEAN, MEAN_2], low: 0, high: 80, reference: [20, 60], aggregation: mean, max_age: 6, delay: 0.5}
  rate: {codes: [RATE], low: 0, high: 80, reference: [20, 60], aggregation: rate, max_age: 9}
  min: {codes: [MANY*], low: 0, high: 80, reference: [20, 60], aggregation: min}
  max: {codes: [MANY*], low: 0, high: 80, reference: [20, 60], aggregation: max, max_age: 3}
  sum: {codes: [MEAN], low: 0, high: 80, reference: [20, 60], aggregation: sum}
context:
  age: {kind: years, codes: [MEDS_BIRTH], low: 18, high: 100, reference: [40, 80]}
  weight: {kind: value, codes: [WEIGHT, WEIGHT_2], delay: 1, low: 30, high: 200, reference: [60, 90], max_age: 20}
  male: {kind: presence, codes: [GENDER//M], low: 0, high: 1, reference: [0, 1], scale: category}
drugs:
  pressor:
    {unit: ug/kg/min, by: rate, high: 2, levels: [0, 0.1, 0.3], cuts: [0, 0.2], open_hours: 3,
     items: {A: {max_rate: 1.5}, B: {factor: 0.1}}}
  fluid: {unit: mL/h, by: amount, high: 500, levels: [0, 50], cuts: [20], items: {F: {}}}
"""


RICH = """
name: rich
interval: 4
horizon: 3
cohort:
  anchor: [ICU_ADMISSION//*]
  stays: all
  min_gap: 3
  site: {column: hospital}
outcome: {discharged: [ICU_DISCHARGE], died: [DIED], censored: [RECORD_END], unended: censor, window: 30}
features:
  twice: {codes: ["MAN{Y//1,X}", LAST, "M*N*"], overlap: first, low: 0, high: 90, reference: [20, 60], max_age: 10}
  mean:
    {codes: {MEAN_2: {drop: true}, "MEAN*": {}}, overlap: first, low: 1, high: 80, reference: [20, 60],
     aggregation: mean, max_age: 6, delay: 0.5}
  rate: {codes: [RATE], low: 0, high: 80, reference: [20, 60], aggregation: rate, max_age: 9}
derived:
  index: {formula: shock_index, of: [twice, mean], low: 0.1, high: 5, reference: [0.5, 1], max_age: 5}
  coagulation: {formula: sofa_coagulation, of: [rate], low: 0, high: 4, reference: [0, 2]}
  total: {formula: sum, of: [twice, mean, rate], low: 0, high: 300, reference: [50, 100], max_age: 12}
context:
  age: {kind: years, codes: [MEDS_BIRTH], low: 18, high: 100, reference: [40, 80]}
  weight: {kind: value, codes: [WEIGHT], low: 30, high: 200, reference: [60, 90], max_age: 20}
drugs:
  pressor:
    {unit: ug/kg/min, by: rows, high: 2, levels: [0, 0.1, 0.3], cuts: [0, 0.2], open_hours: 3, code: "ROW//{item}",
     items: {A//kg: {max_rate: 1.5}, A//min: {per: weight, max_rate: 90}, A//ml: {drop: rows},
             B//kg: {factor: 0.1}, C: {by: rate}}}
  fluid:
    {unit: mL/h, by: bolus, high: 500, levels: [0, 50], cuts: [20], code: "GIVEN//{item}",
     items: {F*: {max_rate: 80}, C: {by: amount, start: x}, X//ml: {drop: sites}}}
""".replace(", start: x", "")


@pytest.fixture(scope="session")
def rich_task() -> Task:
    """Everything that the small task does not use."""
    return parse_task(RICH, "rich")


@pytest.fixture(scope="session")
def small_task() -> Task:
    return parse_task(SMALL, "small")


@pytest.fixture(scope="session")
def written_task() -> Task:
    """The small task, as far as cohorts can be written with it."""
    task = parse_task(SMALL, "small")
    features = {name: rule for name, rule in task.features.items() if rule.aggregation != "rate"}
    own = {
        name: rule.model_copy(update={"codes": {name.upper(): Conversion()}, "delay": 0.0})
        for name, rule in features.items()
    }
    drugs = {name: drug.model_copy(update={"by": "rate"}) for name, drug in task.drugs.items()}
    context = {name: rule.model_copy(update={"delay": 0.0}) for name, rule in task.context.items()}
    cohort = task.cohort.model_copy(update={"conditions": ()})
    pressor = drugs["pressor"].model_copy(update={"high": 1.5})
    data = task.model_copy(
        update={"features": own, "drugs": drugs | {"pressor": pressor}, "cohort": cohort, "context": context}
    )
    return Task.model_validate_json(data.model_dump_json())


@pytest.fixture(scope="session")
def irregular_task(written_task: Task) -> Task:
    """The written task with decisions at visits."""
    rule = {"at": ["VISIT//*"], "least": 0.5}
    return Task.model_validate(written_task.model_dump() | {"decisions": rule})


@pytest.fixture(scope="session")
def write_events() -> Callable[..., Path]:
    """Write events to one parquet file."""

    def write(path: Path, events: list, number: str = "numeric_value", rows: int | None = None) -> Path:
        subject, time, code, value, *site = zip(*events, strict=True) if events else ((), (), (), ())
        columns = {
            "subject_id": pa.array(subject, pa.int64()),
            "time": pa.array(time, pa.timestamp("us")),
            "code": pa.array(code, pa.string()),
            number: pa.array(value, pa.float32()),
        }
        columns |= {"hospital": pa.array(site[0], pa.string())} if site else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, row_group_size=rows)
        return path

    return write


def irregular(task: Task, size: tuple[int, int], g: torch.Generator) -> torch.Tensor:
    """Hours between the least and the greatest that the task allows."""
    assert task.decisions is not None
    least, greatest = max(task.decisions.least, 1 / 30), task.decisions.greatest or 700.0
    return torch.lerp(torch.tensor(least), torch.tensor(greatest), torch.rand(size, generator=g) ** 4)


@pytest.fixture(scope="session")
def invent() -> Callable[[Task, int, int], Trajectories]:
    """Random trajectories that obey the carrying rule, of all lengths and outcomes."""

    def make(task: Task, stays: int, seed: int) -> Trajectories:
        g, spec, steps = torch.Generator().manual_seed(seed), task.spec, task.horizon
        size, interval = (stays, steps + 1, len(spec.features)), torch.tensor(task.interval)
        length = torch.randint(1, steps + 1, (stays,), generator=g)
        mask = torch.arange(steps) < length[:, None]
        usual = interval.expand(stays, steps) if task.decisions is None else irregular(task, (stays, steps), g)
        hours = torch.where(mask, usual, 0.0)
        shorter = torch.rand(stays, generator=g) * (interval - 0.02) + 0.018
        cut = torch.rand(stays, generator=g) < 0.7
        last = (torch.arange(stays), length - 1)
        hours[last] = torch.where(cut, torch.minimum(shorter, hours[last]), hours[last])
        low, high = (torch.tensor([getattr(f, end) for f in spec.features]) for end in ("low", "high"))
        measured = low + (high - low) * torch.rand(size, generator=g)
        seen = torch.rand(size, generator=g) < 0.4
        midpoint, max_age = limits(spec)
        older = torch.lerp(interval + 1e-3, max_age - 1e-3, torch.rand(stays, size[2], generator=g))
        early = (torch.rand(stays, size[2], generator=g) < 0.5) & (max_age > interval + 0.01)
        vitals = [torch.where(seen[:, 0] | early, measured[:, 0], midpoint)]
        age = [torch.where(seen[:, 0], 0.0, torch.where(early, older, max_age))]
        for t in range(steps):
            v, a = carry(spec, vitals[-1], age[-1], hours[:, t], measured[:, t + 1], seen[:, t + 1])
            vitals.append(v)
            age.append(a)
        given = torch.rand(stays, steps, len(spec.drugs), generator=g)
        dose = torch.where(given < 0.3, 0.0, given * torch.tensor([d.high for d in spec.drugs]))
        low, high = (torch.tensor([getattr(f, end) for f in spec.context]) for end in ("low", "high"))
        context = low + (high - low) * torch.rand(stays, len(spec.context), generator=g)
        category = torch.tensor([f.scale == "category" for f in spec.context])
        return pad(
            Trajectories(
                spec,
                torch.stack(vitals, 1),
                seen,
                torch.stack(age, 1),
                torch.where(category, context.round(), context),
                dose,
                hours,
                mask,
                torch.randint(0, 3, (stays,), generator=g),
                torch.arange(stays) * 3 + 5,
                torch.zeros(stays, dtype=torch.int64),
            )
        )

    return make
