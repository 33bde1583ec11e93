"""The figures of the ICU-Sepsis page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...contracts import DIED, DISCHARGED, IN_CARE, Clinician, PatientState
from ...envs import treatment
from ...patient_models.icu_sepsis import icu_sepsis, shipped
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician, OptimalClinician
from ...patient_models.icu_sepsis_spec import HOURS, SPEC
from ...patient_models.tabular import STATE
from ...trajectories.levels import action_of_dose, dose_of_action
from ...trajectories.rollout import rollout
from .figure_style import BLUE, GREEN, INK, PALE, RED, STYLE

DAYS = 5  # shown


class _Extreme:
    """Always the least or the greatest dose, or the admissible one nearest to it."""

    noise_dim = 1

    def __init__(self, action: int) -> None:
        self.action = action

    def dose(self, state: PatientState, noise: torch.Tensor) -> torch.Tensor:
        return dose_of_action(SPEC, icu_sepsis().nearest[state.memory[:, STATE].long(), self.action])

    def log_prob(self, state: PatientState, dose: torch.Tensor) -> torch.Tensor:
        return torch.where(action_of_dose(SPEC, dose) == action_of_dose(SPEC, self.dose(state, dose)), 0.0, -torch.inf)


def draw_courses(path: Path, patients: int) -> None:
    """SOFA scores of the same patients, under the same luck, by who treats them."""
    actors: dict[str, Clinician] = {
        "Clinician": ICUSepsisClinician(0.0),
        "Least dose": _Extreme(0),
        "Greatest dose": _Extreme(SPEC.actions - 1),
        "Optimal": OptimalClinician(),
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        axes = figure.subplots(1, len(actors), sharey=True)
        for ax, (name, actor) in zip(axes, actors.items(), strict=True):
            _courses(ax, name, actor, patients)
        axes[0].set_ylabel("SOFA score of the state")
        figure.legend(
            handles=[
                axes[0].plot([], [], color=PALE, lw=1, label="in care")[0],
                axes[0].plot([], [], "o", color=GREEN, ms=4, label="discharged alive")[0],
                axes[0].plot([], [], "X", color=RED, ms=5, label="died")[0],
            ],
            loc="outside lower center",
            ncols=3,
            frameon=False,
        )
        figure.savefig(path, dpi=130)


def _courses(ax: Axes, name: str, actor: Clinician, patients: int) -> None:
    done = rollout(treatment("posology/ICUSepsis-v0"), actor, patients, keep_memory=True)
    assert done.memory is not None
    score = shipped().sofa[done.memory[:, :, STATE].long()].numpy()
    length, outcome = done.trajectories.length.numpy(), done.trajectories.outcome.numpy()
    for row in range(patients):
        last = int(length[row])
        ended = outcome[row] != IN_CARE
        days = np.arange(last + (not ended)) * HOURS / 24
        ax.plot(days, score[row, : len(days)], color=PALE, lw=0.9, alpha=0.8)
        if ended and days[-1] <= DAYS:
            died = outcome[row] == DIED
            ax.plot(days[-1], score[row, len(days) - 1], "X" if died else "o", color=RED if died else GREEN, ms=4.5)
    deaths, alive = int((outcome == DIED).sum()), int((outcome == DISCHARGED).sum())
    ax.set_title(f"{name}: {alive} leave alive, {deaths} die", fontsize=9, loc="left")
    ax.set_xlim(0, DAYS)
    ax.set_xlabel("days")


def draw_planning(path: Path, rows: Sequence[dict[str, Any]], published: Sequence[dict[str, Any]]) -> None:
    """Claimed and true value of the best policy in a counted model, by number of stays."""
    values = {row["policy"]: row["value"] for row in published}
    panels = (
        ("mean", 0.0, "Every action may be chosen\n(the package's rule)"),
        ("forbidden", 0.0, "Admissible actions alone"),
        ("forbidden", 10.0, "Admissible, and 10 visits\nof the state's mean added"),
    )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.2), layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True)
        for ax, (rule, prior, title) in zip(axes, panels, strict=True):
            chosen = [row for row in rows if (row["rule"], row["prior"]) == (rule, prior)]
            _planned(ax, chosen)
            for name in ("expert", "optimal"):
                ax.axhline(values[name], color=INK, lw=0.7, ls=(0, (1, 2)))
            ax.set_title(title, fontsize=9, loc="left")
            ax.set_xlabel("logged stays")
        for name in ("expert", "optimal"):
            low = name == "expert"  # below its line, where no curve runs
            axes[0].text(
                980, values[name] + (-0.004 if low else 0.003), name, fontsize=8, va="top" if low else "bottom"
            )
        axes[0].set_ylabel("probability of leaving alive")
        axes[2].legend(loc="upper right", frameon=False)
        figure.savefig(path, dpi=130)


def _planned(ax: Axes, rows: Sequence[dict[str, Any]]) -> None:
    sizes = sorted({row["stays"] for row in rows})
    for key, color, label in (("claimed", RED, "claimed"), ("true", BLUE, "true")):
        each = np.array([[row[key] for row in rows if row["stays"] == size] for size in sizes])
        for seed in each.T:
            ax.plot(sizes, seed, color=color, lw=0.6, alpha=0.35)
        ax.plot(sizes, each.mean(1), color=color, lw=1.8, marker="o", ms=4, label=label)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.set_ylim(0.75, 1.0)
