"""The published warfarin equations on the data they came from: 5,700 patients with a stable dose.

`POSOLOGY_DATA=... python -m posology.experiments.studies.iwpc` reads iwpc/warfarin_iwpc_5700.csv below that folder
(from the Pharmacogenomics Knowledge Base; not part of this repository) and writes docs/patients/iwpc.json and the table
in docs/patients/warfarin.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from ...patient_models.warfarin_equations import clinical_dose, pharmacogenetic_dose
from ..stages import write_text
from .iwpc_patients import IWPC_FILE, IWPCPatients, read_iwpc
from .patient_pages import put_block

FIXED = 35.0  # mg a week, the fixed dose of the paper
PUBLISHED = {  # Klein et al. (2009), table 3: shares within 20 % of 1711, 2716 and 625 patients, and of all
    "pharmacogenetic": (0.350, 0.559, 0.328),
    "clinical": (0.240, 0.533, 0.133),
    "fixed": (0.0, 0.537, 0.0),
}
PUBLISHED_SIZES = (1711, 2716, 625)
PUBLISHED_R2 = {"pharmacogenetic": 0.43, "clinical": 0.26}  # of the validation cohort, in the text
LIMITS = (21.0, 49.0)  # mg a week: up to, and from
Array = NDArray[np.float64]


def main(docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs")) -> None:
    """Reproduce the equations and write the table."""
    folder = os.environ.get("POSOLOGY_DATA")
    if not folder:
        raise typer.BadParameter(f"set POSOLOGY_DATA to the folder that holds {IWPC_FILE}")
    found = reproduce(read_iwpc(Path(folder) / IWPC_FILE))
    (docs / "patients").mkdir(parents=True, exist_ok=True)
    write_text(docs / "patients" / "iwpc.json", json.dumps(found, indent=1) + "\n")
    page = docs / "patients" / "warfarin.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Warfarin\n"
    command = "python -m posology.experiments.studies.iwpc"
    write_text(page, put_block(text, "iwpc", "", "\n".join(table(found)), command=command))


def reproduce(patients: IWPCPatients) -> dict[str, Any]:
    """How well each equation predicts the stable dose, over all patients and those without an imputed value."""
    doses = {
        "pharmacogenetic": pharmacogenetic_dose(patients.person, patients.genotype).double().numpy(),
        "clinical": clinical_dose(patients.person).double().numpy(),
        "fixed": np.full(len(patients.dose), FIXED),
    }
    true = patients.dose.double().numpy()
    complete = patients.complete.numpy()
    return {
        "counts": dict(patients.counts),
        "all": {name: score(dose, true) for name, dose in doses.items()},
        "complete": {name: score(dose[complete], true[complete]) for name, dose in doses.items()},
    }


def score(predicted: Array, true: Array) -> dict[str, Any]:
    """Shares within 20 % of the true dose (mg a week), overall and by size of dose; R2 of the dose and of its root."""
    near = np.abs(predicted - true) <= 0.2 * true
    groups = (true <= LIMITS[0], (true > LIMITS[0]) & (true < LIMITS[1]), true >= LIMITS[1])
    half = 1.96 * float(np.sqrt(near.mean() * (1 - near.mean()) / len(near)))
    return {
        "patients": len(true),
        "within": float(near.mean()),
        "within_half_width": half,
        "by_dose": [float(near[g].mean()) if g.any() else 0.0 for g in groups],
        "sizes": [int(g.sum()) for g in groups],
        "r2": explained(predicted, true),
        "r2_root": explained(np.sqrt(predicted), np.sqrt(true)),
        "mean_absolute_error": float(np.abs(predicted - true).mean()),
    }


def explained(predicted: Array, true: Array) -> float:
    """Squared correlation of predicted and true, 0 where nothing varies."""
    if min(np.ptp(predicted), np.ptp(true)) == 0:
        return 0.0
    return float(np.corrcoef(predicted, true)[0, 1] ** 2)


def published_share(name: str) -> float:
    """Share within 20 % of all patients of the paper, from its shares by size of dose."""
    return float(np.average(PUBLISHED[name], weights=PUBLISHED_SIZES))


def table(found: dict[str, Any]) -> list[str]:
    """Lines of Markdown."""
    counts = "; ".join(f"{name}: {count:,}" for name, count in found["counts"].items())
    lines = [
        f"{counts}.",
        "",
        "| equation | patients | R² | % within 20 % (95 %) | published | ≤ 21, 21–49, ≥ 49 mg/week | published |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    labels = {"pharmacogenetic": "Pharmacogenetic", "clinical": "Clinical", "fixed": "35 mg a week for all"}
    for part, note in (("all", ""), ("complete", ", nothing imputed")):
        for name, label in labels.items():
            s = found[part][name]
            by_dose = ", ".join(f"{100 * share:.1f}" for share in s["by_dose"])
            theirs = ", ".join(f"{100 * share:.1f}" for share in PUBLISHED[name])
            cells = [
                label + note,
                f"{s['patients']:,}",
                f"{s['r2']:.3f}",
                f"{100 * s['within']:.1f} (± {100 * s['within_half_width']:.1f})",
                f"{100 * published_share(name):.1f}",
                by_dose,
                theirs,
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
