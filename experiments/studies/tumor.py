"""The tumour of the counterfactual literature by strength of confounding, and what rendered scans look like.

`python -m posology.experiments.studies.tumor` writes docs/patients/tumor_benchmark.json, the table in tumor.md and
docs/figures/tumor_scans.png.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from ...contracts import DIED, DISCHARGED, PatientState
from ...patient_models.simulate import Course, follow
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_benchmark import DAY, DECISIONS, TumorBenchmark
from ...patient_models.tumor_rule import TumorRule
from ...patient_models.tumor_scan import last_scans, lesions
from ...patient_models.tumor_spec import WEEK
from ..stages import write_text
from .patient_pages import put_block

GAMMAS = (0.0, 1.0, 2.0, 4.0, 6.0, 10.0)


@dataclass(frozen=True)
class Ends:
    """How 58 days end, and how likely treatment was on a day, in the middle 90 % of days."""

    who: str
    died: float
    cured: float
    median_volume: float  # cm3, of everybody
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Always:
    """The same units and Gy every day."""

    units: float
    gray: float
    noise_dim: int = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return state.vitals.new_tensor((self.units, self.gray)).expand(len(state), -1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros_like(state.hours)


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    patients: Annotated[int, typer.Option(min=100, help="For each line of the table.")] = 10_000,
) -> None:
    """Study the tumour benchmark and draw scans."""
    torch.set_num_threads(1)
    pages, figures = docs / "patients", docs / "figures"
    for folder in (pages, figures):
        folder.mkdir(parents=True, exist_ok=True)
    found = [under(gamma, patients) for gamma in GAMMAS]
    fixed = (("never treated", 0.0, 0.0), ("chemotherapy daily", 1.0, 0.0), ("both daily", 1.0, 2.0))
    found += [_ends(who, _course(Always(units, gray), patients)) for who, units, gray in fixed]
    numbers = {"patients": patients, "lines": [asdict(line) for line in found]}
    write_text(pages / "tumor_benchmark.json", json.dumps(numbers, indent=1) + "\n")
    page = pages / "tumor.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Tumour\n"
    command = "python -m posology.experiments.studies.tumor"
    write_text(page, put_block(text, "benchmark", "", "\n".join(table(found, patients)), command=command))
    from ...patient_models.imaging.contact_sheet import contact_sheet  # matplotlib takes a second

    course = follow(Tumor(scan_weeks=6), TumorRule(), 40, seed=7, decisions=18, hours=WEEK)
    shown = [row for row in range(40) if course.outcome[row] == 0][:4]
    rows = torch.tensor(shown)
    scans = [last_scans(course.states[week].rows(rows)) for week in (0, 6, 12, 18)]
    titles = [
        f"week {week}: {lesions(course.states[week].memory).volume[row]:.1f} cm3"
        for row in shown
        for week in (0, 6, 12, 18)
    ]
    hu, mask = (torch.stack(part, 1).flatten(0, 1) for part in zip(*[(s.hu, s.mask) for s in scans], strict=True))
    contact_sheet(figures / "tumor_scans.png", hu, mask, titles=titles, columns=8)


def under(gamma: float, patients: int) -> Ends:
    """The ends under the literature's clinician."""
    clinician = TumorBenchmark().clinician(gamma)
    course = follow(TumorBenchmark(), clinician, patients, decisions=DECISIONS, hours=DAY)
    visited = [torch.sigmoid(clinician.log_odds(s))[s.outcome == 0] for s in course.states[:-1]]
    low, high = (_quantile(torch.cat(visited), share) for share in (0.05, 0.95))
    return _ends(f"gamma {gamma:g}", course, low, high)


def _course(actor: Always, patients: int) -> Course:
    return follow(TumorBenchmark(), actor, patients, decisions=DECISIONS, hours=DAY)


def _ends(who: str, course: Course, low: float | None = None, high: float | None = None) -> Ends:
    died, cured = ((course.outcome == fate).float().mean().item() for fate in (DIED, DISCHARGED))
    return Ends(who, died, cured, course.states[-1].vitals[:, 0].median().item(), low, high)


def _quantile(values: Tensor, share: float) -> float:
    return float(values.kthvalue(max(1, round(share * len(values)))).values)


def table(found: list[Ends], patients: int) -> list[str]:
    """Markdown lines."""
    lines = [
        f"| who ({patients:,} patients) | died | cured | median volume, cm3 | P(treated), 5 to 95 % of days |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for line in found:
        odds = "" if line.low is None or line.high is None else f"{line.low:.3f} to {line.high:.3f}"
        lines.append(
            f"| {line.who} | {100 * line.died:.1f} % | {100 * line.cured:.1f} % | {line.median_volume:.2g} | {odds} |"
        )
    return lines


if __name__ == "__main__":
    typer.run(main)
