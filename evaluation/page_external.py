"""What the page shows of the simulator on another record set: error at home and away, feature by feature."""

from __future__ import annotations

from .figures import Axis, Key, StripFigure, StripRow, axis, mark
from .report import Report
from .style import NONE, number, plain, sentence, signed

HOME, AWAY = ("ring", "quiet"), ("circle", "truth")


def transfer_figure(report: Report) -> StripFigure | None:
    """One-step error of the learned model at home and away, by feature in common; left is better."""
    x, own = report.external, report.simulator.model
    if x is None:
        return None
    home = {r.feature: r.rmse for r in x.home if r.model == own and r.decisions == 1}
    away = {r.feature: r.rmse for r in x.errors if r.model == own and r.decisions == 1}
    features = [name for name in x.features if home.get(name) is not None and away.get(name) is not None]
    if not features:
        return None
    scale = axis([0.0, *home.values(), *away.values()])
    labels = {f.name: f.label or sentence(f.name) for f in report.cohort.features}
    return StripFigure(
        caption="One-step error of the learned simulator at home and away, in half-widths of the reference range",
        columns=("home", "away", "change"),
        rows=tuple(_row(labels.get(name, sentence(name)), home[name], away[name], scale) for name in features),
        ticks=tuple((scale.at(t), plain(t)) for t in scale.ticks),
        keys=(Key(*HOME, "held-out patients at home"), Key(*AWAY, x.name)),
    )


def _row(label: str, home: float | None, away: float | None, scale: Axis) -> StripRow:
    change = NONE if not home or away is None else f"{signed((away / home - 1) * 100, 0)}\u202f%"
    marks = mark(scale, home, *HOME, title="home") + mark(scale, away, *AWAY, title="away")
    link = None if home is None or away is None else (scale.at(home), scale.at(away))
    cells = (number(home, 2), number(away, 2), change)
    return StripRow(label, marks, cells, f"{label}: home {cells[0]}, away {cells[1]}, {change}", link=link)
