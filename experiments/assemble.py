"""The report of a run, from what its stages found."""

from __future__ import annotations

from datetime import UTC, datetime

from ..agents.selection import rule
from ..contracts import Trajectories
from ..evaluation.ranking import rankings
from ..evaluation.report import Estimand, Report, Selection, SimulatorReport, Truth
from .config import ExperimentConfig, RecordCohort
from .judge import Bench
from .learning import Learned
from .reading import Cohort
from .stages import Run
from .summaries import behavior_section, cohort_section, provenance_section
from .verdicts import Found


def assemble(
    config: ExperimentConfig,
    run: Run,
    cohort: Cohort,
    learned: Learned,
    bench: Bench,
    found: Found,
    simulator: SimulatorReport,
) -> Report:
    """Put the report of a run together."""
    records = isinstance(config.cohort, RecordCohort)
    return Report(
        name=config.name,
        title=config.title or config.name,
        config_hash=config.hash,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        estimand=_estimand(config, cohort),
        cohort=cohort_section(cohort.records, cohort.splits, name=cohort.name, simulated=not records),
        behavior=behavior_section(bench.held_out, learned.train, learned.behavior, config.behavior.kind),
        policies=found.policies,
        simulator=simulator,
        selection=Selection(rule=rule(config.ppo.unsupported_limit), candidates=found.candidates),
        ranking=rankings(found.policies),
        truth=None if bench.truth is None else _truth(config, bench),
        limits=_limits(cohort.splits["held_out"]),
        provenance=provenance_section(
            seed=config.seed, device=config.device, seconds=dict(run.seconds), data=cohort.name
        ),
    )


def _estimand(config: ExperimentConfig, cohort: Cohort) -> Estimand:
    reward, task = config.reward, cohort.task
    survival, hours = (reward.alive, reward.died) == (1.0, 0.0), task.horizon * task.interval
    return Estimand(
        reward=f"survival: {reward.alive:g} if discharged alive or in care at the horizon, {reward.died:g} if died",
        discount=config.evaluation.discount,
        horizon_decisions=task.horizon,
        interval_hours=task.interval,
        outcome="death, discharge or horizon",
        text=f"Probability of being alive at discharge, or after {hours:g} hours."
        if survival
        else f"Expected reward of a stay over at most {hours:g} hours.",
        value_name="survival" if survival else "value",
        percent=survival,
    )


def _truth(config: ExperimentConfig, bench: Bench) -> Truth:
    return Truth(
        patients=config.evaluation.true_stays,
        seed=bench.seed,
        model="composite sepsis model",
        text="Every policy treats the same simulated patients under the same chance (common random numbers).",
    )


def _limits(held_out: Trajectories) -> tuple[str, ...]:
    deaths = int((held_out.outcome == 2).sum())
    if deaths >= 20:
        return ()
    return (f"Fewer than 20 of the {len(held_out)} held-out stays end in death: no estimate can be precise.",)
