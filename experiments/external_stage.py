"""The simulator on another record set: learned at home, asked about stays from elsewhere that it never saw."""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress
from ..evaluation.fidelity import compared_errors, feature_errors, fidelity, outcome_scores
from ..evaluation.fidelity_forecasts import Forecaster
from ..evaluation.report import ExternalReport, SimulatorReport
from ..trajectories.align import Aligned, align
from ..trajectories.fingerprint import fingerprint
from ..trajectories.records import Records
from .config import ConfigError, ExperimentConfig
from .learning import Learned
from .reading import Cohort, cohort_name, cohort_task, read_records
from .stages import Run

FOUND = "external.json"
_OWN = "lstm"


def external_stage(
    config: ExperimentConfig, run: Run, cohort: Cohort, learned: Learned, home: SimulatorReport
) -> ExternalReport | None:
    """Errors away and at home, and paired comparisons with simpler models from home; None where nothing is asked.

    ConfigError where the other task decides at other times, or has no feature in common.
    """
    if config.external is None:
        return None
    task = cohort_task(config.external)
    if (task.interval, task.decisions) != (cohort.task.interval, cohort.task.decisions):
        raise ConfigError(
            f"external: {task.name} decides at other times than {cohort.task.name}; give both tasks the same interval"
        )
    records = read_records(config.external, run, config.seed, prefix="external_")
    try:
        aligned = align(records.trajectories, cohort.task.spec)
    except ValueError as error:
        raise ConfigError(f"external: {error}") from None
    name = cohort_name(config.external)

    def build(folder: Path, progress: Progress) -> None:
        found = _judged(config, learned, aligned, records, name, progress)
        (folder / FOUND).write_text(found.model_dump_json(indent=1), encoding="utf-8")

    found = run.stage(
        "external", build, lambda folder: ExternalReport.model_validate_json((folder / FOUND).read_text())
    )
    rows = tuple(r for r in (*home.one_step, *home.open_loop) if r.feature in found.features)
    return found.model_copy(update={"home": rows})


def _judged(
    config: ExperimentConfig, learned: Learned, aligned: Aligned, records: Records, name: str, progress: Progress
) -> ExternalReport:
    models: dict[str, Forecaster] = {_OWN: learned.patient, **learned.references}
    stays = aligned.stays
    found = fidelity(models, stays, seed=config.seed, progress=progress)
    every = [(1, found.one_step)]
    every += [(k, {m: e[k] for m, e in found.open_loop.items()}) for k in next(iter(found.open_loop.values()))]
    rows = (row for k, errors in every for m, e in errors.items() for row in feature_errors(m, e, k))
    return ExternalReport(
        name=name,
        fingerprint=fingerprint(records.trajectories),
        patients=len(set(stays.subject.tolist())),
        stays=len(stays),
        decisions=int(stays.mask.sum()),
        features=aligned.features,
        missing=aligned.missing,
        errors=tuple(row for row in rows if row.count),
        comparisons=compared_errors(found, _OWN, seed=config.seed),
        scores=outcome_scores(found.one_step[_OWN]),
        notes=aligned.notes,
    )
