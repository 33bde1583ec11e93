"""The simulator learned in one hospital system and tested in another, both ways and with several seeds.

    python -m posology.experiments.studies.cross_hospital

Writes docs/results/cross_hospital.json, a figure and a page. A direction and seed that are in the results are not
done again. The data are the open demos of MIMIC-IV and eICU in MEDS form, in the folder that POSOLOGY_DATA names.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ...contracts import Trajectories
from ...evaluation.fidelity import compared_errors, fidelity
from ...evaluation.fidelity_forecasts import Forecaster
from ...patient_models import model
from ...trajectories.align import align
from ...trajectories.records import read_trajectories
from ...trajectories.split import split
from ...trajectories.task_file import load_task
from ..config import data_path
from ..stages import write_text
from .cross_hospital_page import write_page

SITES = {
    "MIMIC-IV": ("${POSOLOGY_DATA}/mimic_iv_demo_meds", "sepsis"),
    "eICU": ("${POSOLOGY_DATA}/eicu_demo_meds", "sepsis_eicu"),
}
RESULTS = Path("docs/results/cross_hospital.json")
AHEAD = (4, 8)  # decisions; few stays of the demos last longer


def tested(home: Trajectories, away: Trajectories, seed: int) -> dict[str, Any]:
    """Learn from the training patients at home; compare with simpler models on held-out ones and on all away."""
    parts = split(home, "")
    train, tuning, held_out = parts["train"], parts["tuning"], parts["held_out"]
    names = ("lstm", "linear", "persistence")
    models: dict[str, Forecaster] = {name: model(name)(train, tuning, seed=seed) for name in names}
    aligned = align(away, home.spec)
    found: dict[str, Any] = {"features": list(aligned.features), "notes": list(aligned.notes)}
    for place, stays in (("home", held_out), ("away", aligned.stays)):
        errors = fidelity(models, stays, ahead=AHEAD, seed=seed)
        found[place] = {
            "patients": len(set(stays.subject.tolist())),
            "stays": len(stays),
            "decisions": int(stays.mask.sum()),
            "compared": [row.model_dump() for row in compared_errors(errors, "lstm", seed=seed)],
            "rmse": {name: one.rmse.tolist() for name, one in errors.one_step.items()},
            "count": errors.one_step["lstm"].count.sum(0).tolist(),
        }
    return found


def study(results: Path, seeds: int) -> dict[str, Any]:
    """Both directions with `seeds` seeds; what is in `results` is not done again."""
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    stays: dict[str, Trajectories] = {}
    for home in SITES:
        away = next(name for name in SITES if name != home)
        for seed in range(seeds):
            key = f"{home} to {away}, seed {seed}"
            if key in found:
                continue
            for name, (path, task) in SITES.items():
                if name not in stays:
                    stays[name] = read_trajectories(data_path(path), load_task(task)).trajectories
            found[key] = {"home_name": home, "away_name": away, "seed": seed, **tested(stays[home], stays[away], seed)}
            results.parent.mkdir(parents=True, exist_ok=True)
            write_text(results, json.dumps(found, indent=1) + "\n")
    return found


def main() -> None:
    """The study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    page = write_page(study(given.results, given.seeds), given.results.parent.parent)
    sys.stdout.write(f"{page}\n")


if __name__ == "__main__":
    main()
