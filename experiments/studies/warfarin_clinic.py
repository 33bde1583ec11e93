"""What the warfarin patient is held against: doses by genotype, time in range by month, high INRs, events by band.

`python -m posology.experiments.studies.warfarin_clinic` writes docs/patients/warfarin_clinic.json and the tables in
docs/patients/warfarin.md.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ...contracts import Clinician
from ...envs.dose_treatment import DoseTreatment
from ...patient_models.warfarin import Warfarin
from ...patient_models.warfarin_clinician import WarfarinClinician
from ...patient_models.warfarin_equations import clinical_dose, pharmacogenetic_dose
from ...patient_models.warfarin_memory import recall
from ...patient_models.warfarin_population import HAMBERG, HAN, Population
from ...patient_models.warfarin_rules import Titration
from ...patient_models.warfarin_spec import CYP2C9, DAY, VKORC1
from ...patient_models.warfarin_visits import SHORTEST, clinic_visits
from ...trajectories.noise import ADMISSION, normals, seeds
from ...trajectories.rollout import Rollout, rollout
from ..stages import write_text
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.warfarin_clinic"
FIRST = 5 * 10**12  # seed of the first patient
DAYS = 180
SPANS = ((0, 28), (28, 90), (90, 180))
PUBLISHED = "published: VTE 54.0, 60.0, 75.2 % (Erkens 2012); AF 67 %, ~39 % above 4 (CoagClinic)"
GENOTYPES = (("*1/*1", "G/G"), ("*1/*1", "A/G"), ("*1/*1", "A/A"), ("*1/*3", "G/G"), ("*3/*3", "A/A"))


def main(
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    patients: Annotated[int, typer.Option(min=100, help="Patients followed for half a year, in each row.")] = 4000,
) -> None:
    """Simulate and write the tables."""
    torch.set_num_threads(1)
    settings: list[tuple[str, Clinician, Warfarin]] = [
        ("Clinician of the cohort", WarfarinClinician(), Warfarin()),
        ("Titration from 5 mg", Titration(), Warfarin()),
        ("Titration from the clinical equation", Titration("clinical"), Warfarin()),
        ("Titration from the pharmacogenetic equation", Titration("pharmacogenetic"), Warfarin()),
        ("From 5 mg, no variation within patients", Titration(), Warfarin(sway=0.0, missed=0.0, noise_sd=0.0)),
        ("From 5 mg, Han cohort", Titration(), Warfarin(population=HAN)),
    ]
    found = {
        "genotypes": [genotype_row(cyp2c9, vkorc1) for cyp2c9, vkorc1 in GENOTYPES],
        "explained": explained_by_equations(),
        "clinic": [{"label": label, **clinic(actor, model, patients)} for label, actor, model in settings],
        "patients": patients,
    }
    pages = docs / "patients"
    pages.mkdir(parents=True, exist_ok=True)
    write_text(pages / "warfarin_clinic.json", json.dumps(found, indent=1) + "\n")
    page = pages / "warfarin.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Warfarin\n"
    for block, lines in (("genotypes", genotype_lines(found)), ("clinic", clinic_lines(found))):
        text = put_block(text, block, "", "\n".join(lines), command=COMMAND)
    write_text(page, text)


def genotype_row(cyp2c9: str, vkorc1: str) -> dict[str, Any]:
    """Doses (mg/d) for an INR of 2.5 of the typical patient of 65 years and 80 kg; in the Han cohort of 60 kg."""
    genotype = torch.tensor([[float(CYP2C9.index(cyp2c9)), float(VKORC1.index(vkorc1))]])
    person = torch.tensor([[65.0, 80.0, 170.0, 0.0, 0.0, 0.0]])
    lighter = torch.tensor([[65.0, 60.0, 165.0, 1.0, 0.0, 0.0]])
    published = dataclasses.replace(HAMBERG, half_effect_scale=1.0, baseline=(1.0, 0.0))
    return {
        "cyp2c9": cyp2c9,
        "vkorc1": vkorc1,
        "published_parameters": needed(published, person, genotype),
        "scaled": needed(HAMBERG, person, genotype),
        "han": needed(HAN, lighter, genotype),
        "equation": pharmacogenetic_dose(person, genotype).item() / 7,
    }


def explained_by_equations(patients: int = 2000) -> dict[str, float]:
    """Share of the variance of the root of the needed dose that each equation explains, in simulated patients."""
    model = Warfarin(sway=0.0, missed=0.0, noise_sd=0.0, events=False)
    rows = seeds(FIRST, patients)
    zero = torch.zeros_like(rows)
    start = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    low, high = torch.full((patients,), 0.1), torch.full((patients,), 30.0)
    quarter, calm = torch.full((patients,), 28 * DAY), torch.zeros(patients, model.noise_dim)
    for _ in range(12):  # bisection
        dose, state = (low * high).sqrt(), start
        for _ in range(3):
            state = model.step(state, dose[:, None], quarter, calm)
        more = recall(state.memory, "inr") < 2.5
        low, high = torch.where(more, dose, low), torch.where(more, high, dose)
    person, genotype = start.context[:, :6], start.context[:, 6:]
    roots = {"pharmacogenetic": pharmacogenetic_dose(person, genotype).sqrt(), "clinical": clinical_dose(person).sqrt()}
    return {name: float(torch.corrcoef(torch.stack((root, dose.sqrt())))[0, 1] ** 2) for name, root in roots.items()}


def needed(population: Population, person: torch.Tensor, genotype: torch.Tensor) -> float:
    """Dose (mg/d) at which the INR settles at 2.5."""
    model = Warfarin(population, variability=0.0, sway=0.0, missed=0.0, noise_sd=0.0, events=False)
    dose = torch.linspace(0.1, 20, 200)[:, None]
    context = torch.cat((person, genotype), 1).expand(len(dose), -1)
    state = model.admit(context, torch.zeros(len(dose), model.admit_noise_dim))
    for _ in range(5):
        month = torch.full((len(dose),), 28 * DAY)
        state = model.step(state, dose, month, torch.zeros(len(dose), model.noise_dim))
    return float(np.interp(2.5, recall(state.memory, "inr").numpy(), dose[:, 0].numpy()))


def clinic(actor: Clinician, model: Warfarin, patients: int) -> dict[str, Any]:
    """Half a year at the clinic: true time in range by span, high INRs, doses, visits and events."""
    eventless = dataclasses.replace(model, events=False)
    done = _follow(actor, eventless, patients)
    t, memory = done.trajectories, done.memory
    assert memory is not None
    ends = memory[torch.arange(len(t)), t.length]
    highest = recall(ends, "highest")
    last = t.dose[torch.arange(len(t)), t.length - 1, 0]
    outcome = _follow(actor, dataclasses.replace(model, events=True), patients).trajectories
    years = float(outcome.hours.sum()) / (365.25 * DAY)
    return {
        "in_range": [time_in_range(done, *span) for span in SPANS],
        "above_4": float((highest > 4).float().mean()),
        "above_5": float((highest > 5).float().mean()),
        "dose": float(last[last > 0].median()),
        "visits": float(t.length.float().mean()),
        "bleeding": 100 * float((outcome.outcome == 1).sum()) / years,
        "clotting": 100 * float((outcome.outcome == 2).sum()) / years,
    }


def time_in_range(done: Rollout, start: float, end: float) -> float:
    """Share of the days from `start` to `end` with a true INR of 2-3, by straight lines between visits."""
    assert done.memory is not None
    t = done.trajectories
    clock = torch.cat([torch.zeros(len(t), 1), t.hours.cumsum(1)], 1).numpy() / DAY
    inside = recall(done.memory, "bands_1").numpy() / DAY
    lengths = t.length.numpy() + 1
    shares = [np.diff(np.interp([start, end], clock[i, :n], inside[i, :n]))[0] for i, n in enumerate(lengths)]
    return float(np.mean(shares) / (end - start))


def _follow(actor: Clinician, model: Warfarin, patients: int) -> Rollout:
    """Doses as continuous as they come, at the clinic's visits."""
    horizon = round(DAYS * DAY / SHORTEST)
    treatment = DoseTreatment(
        model, horizon=horizon, interval_hours=SHORTEST, visits=clinic_visits, action="continuous"
    )
    levels = dataclasses.replace(treatment, action="levels")
    chosen = levels if isinstance(actor, WarfarinClinician) else treatment
    return rollout(chosen, actor, patients, seed=FIRST, keep_memory=True)


def genotype_lines(found: dict[str, Any]) -> list[str]:
    """Doses by genotype as Markdown."""
    lines = [
        "| CYP2C9 | VKORC1 −1639 | published parameters | EC50 × .77 (here) | IWPC equation | Han cohort, 60 kg |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in found["genotypes"]:
        doses = (row[key] for key in ("published_parameters", "scaled", "equation", "han"))
        stars = row["cyp2c9"].replace("*", "\\*")
        lines.append("| " + " | ".join([stars, row["vkorc1"], *(f"{dose:.2f}" for dose in doses)]) + " |")
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found["explained"].items())
    return [
        *lines,
        "",
        f"Variance of the root of the needed dose that the equations explain in patients here: {shares}.",
    ]


def clinic_lines(found: dict[str, Any]) -> list[str]:
    """Half a year at the clinic as Markdown."""
    spans = " | ".join(f"days {a}–{b}" for a, b in SPANS)
    lines = [
        f"Half a year, {found['patients']:,} patients in each row; time in range of the true INR, %; {PUBLISHED}.",
        "",
        f"| care | {spans} | ever > 4, % | > 5, % | last dose, mg/d | visits | bleeding | clotting per 100 years |",
        "| --- " + "| ---: " * 9 + "|",
    ]
    for row in found["clinic"]:
        cells = [row["label"], *(f"{100 * share:.1f}" for share in row["in_range"])]
        cells += [f"{100 * row['above_4']:.0f}", f"{100 * row['above_5']:.0f}", f"{row['dose']:.2f}"]
        cells += [f"{row['visits']:.1f}", f"{row['bleeding']:.1f}", f"{row['clotting']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    typer.run(main)
