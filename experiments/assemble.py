"""The report of a run, from what its stages found."""

from __future__ import annotations

from datetime import UTC, datetime

from ..agents.selection import rule
from ..contracts import DIED, Spec, Trajectories
from ..evaluation.duration import duration
from ..evaluation.ranking import rankings
from ..evaluation.report import Estimand, ExternalReport, Provenance, Report, Selection, SimulatorReport, Truth
from ..evaluation.small_cells import suppressed
from .config import ExperimentConfig, RecordCohort, SimulatedCohort
from .judge import Bench
from .learning import Learned
from .reading import Cohort
from .site_section import sites_section
from .sources import source
from .stages import Run
from .summaries import behavior_section, cohort_section, provenance_section
from .task_section import task_section
from .verdicts import Found
from .worth import SURVIVAL, reward_name, reward_of


def assemble(
    config: ExperimentConfig,
    run: Run,
    cohort: Cohort,
    learned: Learned,
    bench: Bench,
    found: Found,
    simulator: SimulatorReport,
    external: ExternalReport | None,
) -> Report:
    """Put the report of a run together."""
    records = isinstance(config.cohort, RecordCohort)
    estimand, spec = _estimand(config, cohort), cohort.task.spec
    report = Report(
        name=config.name,
        title=config.title or config.name,
        config_hash=config.hash,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        estimand=estimand,
        cohort=cohort_section(
            cohort.records, cohort.splits, name=cohort.name, simulated=not records, checks=cohort.checks
        ),
        behavior=behavior_section(bench.held_out, learned.train, learned.behavior, config.behavior.kind, spec),
        policies=found.policies,
        simulator=simulator,
        selection=Selection(rule=_rule(config), candidates=found.candidates),
        ranking=rankings(found.policies),
        truth=None if bench.truth is None else _truth(config, bench),
        limits=_limits(config, cohort.splits["held_out"]),
        provenance=_provenance(config, run, cohort),
        task=task_section(cohort.task, cohort.records.trajectories, estimand),
        subgroups=found.subgroups,
        external=external,
        tree=found.tree,
        sites=sites_section(bench.held_out, learned.behavior, spec),
        sensitivity=found.sensitivity,
        expected=found.expected,
        distributions=found.distributions,
    )
    return suppressed(report)


def _estimand(config: ExperimentConfig, cohort: Cohort) -> Estimand:
    task = cohort.task
    hours = task.horizon * task.interval
    meaning = reward_of(config, task.spec, hours).meaning
    return Estimand(
        reward=meaning.reward,
        discount=config.evaluation.discount,
        horizon_decisions=task.horizon,
        interval_hours=task.interval,
        outcome=_outcome(task.spec),
        text=meaning.text.format(span=duration(hours)),
        value_name=meaning.value_name,
        percent=meaning.percent,
        irregular=task.decisions is not None,
    )


def _provenance(config: ExperimentConfig, run: Run, cohort: Cohort) -> Provenance:
    return provenance_section(seed=config.seed, device=config.device, seconds=dict(run.seconds), data=cohort.name)


def _rule(config: ExperimentConfig) -> str:
    return rule(config.ppo.unsupported_limit, second=config.ppo.second_members > 0)


def _outcome(spec: Spec) -> str:
    """What ends a stay, in words."""
    if spec.outcomes == Spec.outcomes:
        return "death, discharge or horizon"
    return f"{', '.join(spec.outcomes[1:])} or horizon"


def _truth(config: ExperimentConfig, bench: Bench) -> Truth:
    assert isinstance(config.cohort, SimulatedCohort)
    return Truth(
        patients=config.evaluation.true_stays,
        seed=bench.seed,
        model=source(config.cohort.source).model,
        text="Every policy treats the same simulated patients under the same chance (common random numbers).",
    )


def _limits(config: ExperimentConfig, held_out: Trajectories) -> tuple[str, ...]:
    deaths = int((held_out.outcome == DIED).sum())
    if deaths >= 20 or reward_name(config) != SURVIVAL:
        return ()
    return (f"Fewer than 20 of the {len(held_out)} held-out stays end in death: no estimate can be precise.",)
