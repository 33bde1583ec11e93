"""The fidelity stage of a run: how well the learned patient predicts held-out stays, beside simpler models."""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress
from ..evaluation.fidelity import fidelity, simulator_report
from ..evaluation.fidelity_forecasts import Forecaster
from ..evaluation.report import SimulatorReport
from .config import ExperimentConfig
from .learning import Learned
from .reading import Cohort
from .stages import Run

FOUND = "simulator.json"


def fidelity_stage(config: ExperimentConfig, run: Run, cohort: Cohort, learned: Learned) -> SimulatorReport:
    """Errors, calibration and paired comparisons on held-out stays, or what an earlier, unchanged run found."""

    def build(folder: Path, progress: Progress) -> None:
        models: dict[str, Forecaster] = {"lstm": learned.patient, **learned.references}
        found = fidelity(models, cohort.splits["held_out"], seed=config.seed, progress=progress)
        section = simulator_report(
            found, "lstm", kind="LSTM ensemble", members=learned.patient.members, seed=config.seed
        )
        (folder / FOUND).write_text(section.model_dump_json(indent=1), encoding="utf-8")

    return run.stage(
        "fidelity",
        build,
        lambda folder: SimulatorReport.model_validate_json((folder / FOUND).read_text(encoding="utf-8")),
    )
