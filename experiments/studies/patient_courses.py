"""A picture of twenty patients of a source: under the clinician, untreated, and under the maximal dose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from ...contracts import Clinician, Feature, Policy
from ...envs.render_style import DOSE, EXCEEDED, INK, LINE, MUTED, REFERENCE, VALUE, unit
from ...trajectories.carry import valid_states
from ...trajectories.rollout import Rollout, rollout
from ..sources import clinician, true_treatment
from .patient_policies import FIRST, fixed_doses
from .patient_probes import Probe

PATIENTS = 20
_NO_HARM = ("in care", "discharged alive", "cured")
_STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_courses(name: str, probe: Probe, path: Path) -> None:
    """Write the picture as PNG: a column per treatment, a row per feature and one for a drug.

    Thin lines are patients; where all are seen at the same times, thick ones are their median, and the mean dose.
    """
    treatment = true_treatment(name)
    fixed = list(fixed_doses(treatment))
    arms: list[tuple[str, Policy | Clinician]] = [
        ("Clinician", clinician(name, 1.0, 0.0)),
        ("No treatment", fixed[0][1]),
        ("Maximal dose", fixed[-1][1]),
    ]
    rows = len(probe.features) + 1
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            rows,
            len(arms),
            figsize=(9.6, 1.75 * rows + 0.7),
            sharex=True,
            sharey="row",
            height_ratios=[*[1.25] * len(probe.features), 0.8],
            layout="constrained",
        )
        for column, (label, actor) in enumerate(arms):
            done = rollout(treatment, actor, PATIENTS, seed=FIRST)
            axes[0, column].set_title(label + _ends(done), fontsize=8.5)
            for row, feature in enumerate(probe.features):
                _feature(axes[row, column], done, treatment.spec.features[treatment.spec.feature(feature)], probe)
            _dose(axes[-1, column], done, probe)
            axes[-1, column].set_xlabel(probe.unit)
        for row, feature in enumerate(probe.features):
            f = treatment.spec.features[treatment.spec.feature(feature)]
            axes[row, 0].set_ylabel(_axis(f.label or f.name, f.unit))
        drug = treatment.spec.drugs[treatment.spec.drug(probe.drug)]
        axes[-1, 0].set_ylabel(_axis(drug.label or drug.name, drug.unit))
        figure.align_ylabels(axes[:, 0])
        partial = path.with_suffix(".tmp.png")
        figure.savefig(partial, dpi=110, facecolor="white")
        plt.close(figure)
    partial.replace(path)


def _ends(done: Rollout) -> str:
    """How many courses end in each outcome, in words."""
    t = done.trajectories
    counts = {name: int((t.outcome == code).sum()) for code, name in enumerate(t.spec.outcomes) if code}
    told = [f"{count} of {len(t)}: {name}" for name, count in counts.items() if count]
    return f"\n{', '.join(told)}" if told else ""


def _axis(label: str, of: str) -> str:
    words, text = label.split(), ""
    for word in words:  # two lines where it is long
        text += ("\n" if len(text.rpartition("\n")[2]) + len(word) > 18 else " ") + word
    return f"{text.strip()}\n{unit(of)}".rstrip()


def _feature(axes: Axes, done: Rollout, feature: Feature, probe: Probe) -> None:
    t = done.trajectories
    column = [f.name for f in t.spec.features].index(feature.name)
    axes.axhspan(*feature.reference, color=REFERENCE, lw=0, zorder=0)
    if feature.scale == "log":
        axes.set_yscale("log")
        if feature.reference[1] < 10 * feature.reference[0]:  # a decade or two: label its parts
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(9, 9)))
    hours = torch.cat([torch.zeros(len(t), 1), t.hours.cumsum(1)], 1) / probe.unit_hours
    if _regular(done):
        shown = np.where(_valid(done), t.vitals[:, :, column].numpy(), np.nan)
        axes.plot(hours[0].numpy(), np.nanmedian(shown, 0), color=VALUE, lw=2.0, zorder=3)
    else:
        grid = np.linspace(0, float(hours.max()), 60)
        values = _between_visits(done, column, hours, grid)
        known = np.isfinite(values).any(0)
        axes.plot(grid[known], np.nanmedian(values[:, known], 0), color=VALUE, lw=2.0, zorder=3)
    for row in range(len(t)):
        states = int(t.length[row]) + int(t.outcome[row] == 0)
        values = t.vitals[row, :states, column].numpy()
        shown = t.seen[row, :states, column].numpy() if probe.seen_only else np.ones(states, bool)
        time = hours[row, :states].numpy()
        axes.plot(time[shown], values[shown], color=VALUE, lw=0.8, alpha=0.45)
        if t.spec.outcomes[int(t.outcome[row])] not in _NO_HARM:
            style: dict[str, Any] = {"marker": "x", "color": EXCEEDED, "ms": 4, "mew": 1.1}
            axes.plot(time[-1:], values[-1:], **style)


def _regular(done: Rollout) -> bool:
    """Whether everybody is seen at the same times, and somebody to the end."""
    t = done.trajectories
    return bool((t.hours[t.mask] == t.hours[0, 0]).all()) and bool(t.mask[:, -1].any()) and bool(t.mask[0].all())


def _between_visits(done: Rollout, column: int, hours: torch.Tensor, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (N, G) at common times, by straight lines between the states of each; NaN after the end."""
    t = done.trajectories
    states = (t.length + (t.outcome == 0).long()).tolist()
    rows = [np.interp(grid, hours[i, :n], t.vitals[i, :n, column], right=np.nan) for i, n in enumerate(states)]
    return np.stack(rows)


def _valid(done: Rollout) -> NDArray[np.bool_]:
    return valid_states(done.trajectories).numpy()


def _dose(axes: Axes, done: Rollout, probe: Probe) -> None:
    t = done.trajectories
    column = t.spec.drug(probe.drug)
    for row in range(len(t)):
        steps = int(t.length[row])
        edges = np.concatenate([[0.0], t.hours[row, :steps].cumsum(0).numpy()]) / probe.unit_hours
        axes.stairs(t.dose[row, :steps, column].numpy(), edges, color=DOSE, lw=0.7, alpha=0.45, baseline=None)
    if _regular(done):
        given = np.where(t.mask.numpy(), t.dose[:, :, column].numpy(), np.nan)
        edges = np.concatenate([[0.0], t.hours[0].cumsum(0).numpy()]) / probe.unit_hours
        axes.stairs(np.nanmean(given, 0), edges, color=INK, lw=1.6, baseline=None)
