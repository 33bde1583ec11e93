"""What the page shows of the learned patient, the fitted clinician, and which doses are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .charts import Chart, Series, lines
from .figures import Axis, Cell, Key, Mark, StripFigure, StripRow, axis, heat, heat_difference, mark
from .report import DrugSummary, ErrorComparison, FeatureError, PolicyReport, Report
from .style import number, percent, plain, sentence, signed, unit
from .wording import first

STYLES = (("circle", "truth"), ("square", "estimate"), ("diamond", "quiet"), ("ring", "claim"))  # per model


@dataclass(frozen=True)
class HeatMap:
    """Shares of decisions by dose level of two drugs, first drug upwards."""

    title: str
    note: str
    rows: list[list[Cell]]  # highest level of the first drug first
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    row_title: str
    column_title: str
    text: str


def heat_maps(report: Report) -> tuple[list[HeatMap], list[HeatMap], list[HeatMap]]:
    """Clinicians and learned policies; the latter minus the clinicians, in the same order; the remaining policies."""
    drugs = report.cohort.drugs[:2]
    drugs = (ALONE, *drugs) if len(drugs) == 1 else drugs
    told = [p for p in report.policies.values() if p.actions]
    if len(drugs) < 2 or not told:
        return [], [], []
    main = [p for kind in ("clinician", "unpenalised", "penalised") for p in told if p.kind == kind]
    top = max(share for p in main or told for row in p.actions for share in row)
    rest = [p for p in told if p not in main]
    clinician = first(report, "clinician")
    gaps = []
    if clinician is not None and clinician.actions:
        gaps = [_difference(p, clinician, drugs) for p in main if p.kind != "clinician"]
    return [_heat_map(p, drugs, top) for p in main], gaps, [_heat_map(p, drugs, top) for p in rest]


ALONE = DrugSummary(name="", levels=(0.0,))
"""Stands for the rows where there is one drug only, whose levels are the columns."""


def _levels(drug: DrugSummary) -> tuple[str, ...]:
    return ("",) if drug is ALONE else tuple(plain(level) for level in drug.levels)


def _dose(drug: DrugSummary, level: float) -> str:
    return "" if drug is ALONE else f"{drug.label or drug.name} {plain(level)} {unit(drug.unit)}"


def _axis_title(drug: DrugSummary) -> str:
    """The drug without what stands in brackets, so that it fits along an axis, and its unit."""
    return "" if drug is ALONE else f"{(drug.label or sentence(drug.name)).partition(' (')[0]}, {unit(drug.unit)}"


def _titles(drugs: tuple[DrugSummary, ...], shares: Iterable[Iterable[float]], sign: bool) -> list[list[str]]:
    rows, columns = drugs
    say = (lambda x: f"{signed(x * 100, 1)} points") if sign else percent
    return [
        [
            f"{', '.join(filter(None, (_dose(rows, a), _dose(columns, b))))}: {say(share)}"
            for b, share in zip(columns.levels, row, strict=True)
        ]
        for a, row in zip(rows.levels, shares, strict=True)
    ]


def _heat_map(policy: PolicyReport, drugs: tuple[DrugSummary, ...], top: float) -> HeatMap:
    titles = _titles(drugs, policy.actions, sign=False)
    note = "" if policy.agreement is None else f"agrees with the clinicians’ dose in {percent(policy.agreement, 0)}"
    note += "" if policy.kappa is None else f" (kappa {number(policy.kappa, 2)})"
    return _map(policy.label, note, heat(policy.actions, top, titles), drugs, titles)


def _difference(policy: PolicyReport, clinician: PolicyReport, drugs: tuple[DrugSummary, ...]) -> HeatMap:
    gaps = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(policy.actions, clinician.actions, strict=True)]
    titles = _titles(drugs, gaps, sign=True)
    rows = heat_difference(policy.actions, clinician.actions, titles)
    return _map(f"{policy.label} minus {clinician.label.lower()}", "", rows, drugs, titles)


def _map(
    title: str, note: str, rows: list[list[Cell]], drugs: tuple[DrugSummary, ...], titles: list[list[str]]
) -> HeatMap:
    up, across = drugs
    return HeatMap(
        title=title,
        note=note,
        rows=rows[::-1],
        row_labels=_levels(up)[::-1],
        column_labels=_levels(across),
        row_title=_axis_title(up),
        column_title=_axis_title(across),
        text="; ".join(text for row in titles for text in row),
    )


def _models(rows: Iterable[FeatureError], own: str) -> list[str]:
    """Models in the order of their marks: the one that policies were trained in first."""
    names = list(dict.fromkeys(row.model for row in rows))
    return sorted(names, key=lambda name: name != own)


def one_step_figure(report: Report) -> StripFigure | None:
    """One-step error of every model for every feature; left is better."""
    rows = report.simulator.one_step
    if not rows:
        return None
    models = _models(rows, report.simulator.model)
    scale = axis([0.0] + [r.rmse for r in rows])
    labels = {f.name: f.label or sentence(f.name) for f in report.cohort.features}
    errors = {(r.feature, r.model): r.rmse for r in rows}
    features = list(dict.fromkeys(r.feature for r in rows))
    return StripFigure(
        caption="One-step error by feature: root mean square, in half-widths of the reference range; left is better",
        columns=tuple(models),
        rows=tuple(_error_row(name, labels.get(name, sentence(name)), models, errors, scale) for name in features),
        ticks=tuple((scale.at(t), plain(t)) for t in scale.ticks),
        keys=tuple(Key(*STYLES[i % 4], name) for i, name in enumerate(models)),
    )


def _error_row(
    feature: str, label: str, models: list[str], errors: dict[tuple[str, str], float | None], scale: Axis
) -> StripRow:
    marks: list[Mark] = []
    for i, model in reversed(list(enumerate(models))):
        shape, tone = STYLES[i % 4]
        marks += mark(scale, errors.get((feature, model)), shape, tone, title=model)
    cells = tuple(number(errors.get((feature, model)), 2) for model in models)
    text = ", ".join(f"{model} {cell}" for model, cell in zip(models, cells, strict=True))
    return StripRow(label, tuple(marks), cells, f"{label}: {text}")


def open_loop_chart(report: Report) -> Chart | None:
    """Open-loop error, mean over the features that every model was scored on, against how far ahead."""
    rows = [r for r in report.simulator.open_loop if r.rmse is not None]
    models = _models(rows, report.simulator.model)
    ahead = sorted({r.decisions for r in rows})
    if not ahead:
        return None
    grid = {(r.model, r.decisions, r.feature): r.rmse for r in rows if r.rmse is not None}

    def mean(model: str, step: int) -> float | None:
        common = [f for f in dict.fromkeys(r.feature for r in rows) if all((m, step, f) in grid for m in models)]
        return sum(grid[model, step, f] for f in common) / len(common) if common else None

    series = [
        Series(model, STYLES[i % 4][1], STYLES[i % 4][0], tuple(mean(model, step) for step in ahead))
        for i, model in enumerate(models)
    ]
    return lines(
        series,
        tuple(str(step) for step in ahead),
        x_label="decisions ahead, doses as recorded",
        y_label="error",
        say=lambda v: number(v, 2),
        tick=plain,
        from_zero=True,
    )


def comparison_figure(rows: Sequence[ErrorComparison]) -> StripFigure | None:
    """Paired differences of the learned model against simpler ones; an interval left of zero favours it."""
    if not rows:
        return None
    scale = axis([0.0] + [v for r in rows for v in (r.low, r.high, r.difference)])
    drawn = []
    for r in rows:
        better = r.high is not None and r.high < 0
        worse = r.low is not None and r.low > 0
        verdict = "better" if better else "worse" if worse else "undecided"
        interval = f"{signed(r.low, 3)} to {signed(r.high, 3)}"
        label = f"{sentence(r.metric)}, against {r.against}"
        tone = "truth" if better else "claim" if worse else "quiet"
        drawn.append(
            StripRow(
                label,
                mark(scale, r.difference, "circle", tone, low=r.low, high=r.high),
                (signed(r.difference, 3), interval, verdict),
                f"{label}: {signed(r.difference, 3)}, 95 % interval {interval}, {verdict}",
            )
        )
    return StripFigure(
        caption="Learned model minus simpler model, paired by patient; left of zero is better",
        columns=("difference", "95 % interval", "verdict"),
        rows=tuple(drawn),
        ticks=tuple((scale.at(t), plain(t)) for t in scale.ticks),
        reference=scale.at(0.0),
    )
