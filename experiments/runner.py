"""Running an experiment: records -> learned simulator -> policies -> estimates -> report, stage by stage."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from ..contracts import Clinician, Treatment
from ..envs import decisions
from ..envs.logged import logged_costs
from ..evaluation.page import write_page
from ..evaluation.report import Report
from .assemble import assemble
from .cohorts import clinician, observable_rule, true_treatment
from .config import ExperimentConfig, SimulatedCohort
from .fidelity_stage import fidelity_stage
from .judge import Bench
from .judged import policies_to_judge
from .learning import learn
from .reading import Cohort, read_cohort
from .stages import Run, write_text
from .verdicts import judged_stage

FIRST_SIMULATED = 10**12  # seeds of patients met in evaluation, far from any cohort's
FIRST_TRAINING = 2 * 10**12  # ... and in training


def run_experiment(config: ExperimentConfig, out: Path, *, force: bool = False, console: Console) -> Path:
    """Run what `config` says in OUT/<name>-<hash>/ and return the report's path.

    Finished stages are reused unless `force`. RunBusyError where another process works in the folder; ConfigError and
    MedsError for what cannot be run or read.
    """
    run = Run(out / f"{config.name}-{config.hash}", console)
    with run.locked():
        if force:
            for stage in (path for path in run.folder.iterdir() if path.is_dir()):
                shutil.rmtree(stage)
        write_text(run.folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        cohort = read_cohort(config, run)
        _show_cohort(console, cohort)
        report = _report(config, run, cohort)
        report.save(run.folder)
        page = write_page(report, run.folder / "report.html")
        _show_policies(console, report)
        return Path(page)


def _report(config: ExperimentConfig, run: Run, cohort: Cohort) -> Report:
    truth, acting, rule = known_truth(config)
    learned = learn(config, run, cohort, first_seed=FIRST_TRAINING + config.seed * 10**9)
    held_out, worths = cohort.splits["held_out"], (config.reward.died, config.reward.alive)
    bench = Bench(
        held_out=decisions(learned.simulator, held_out),
        costs=logged_costs(learned.simulator, held_out),
        behavior=learned.behavior,
        simulator=learned.simulator,
        truth=truth,
        config=config.evaluation,
        reward_range=(min(worths), max(worths)),
        seed=FIRST_SIMULATED + config.seed * 10**9,
    )
    everyone = policies_to_judge(
        learned.behavior,
        learned.baselines,
        learned.free.policy,
        learned.penalised,
        config.blends,
        clinician=acting,
        rule=rule,
    )
    simulator = fidelity_stage(config, run, cohort, learned)
    found = judged_stage(config, run, learned, everyone, bench)
    return assemble(config, run, cohort, learned, bench, found, simulator)


def known_truth(config: ExperimentConfig) -> tuple[Treatment | None, Clinician | None, Clinician | None]:
    """The environment whose truth is known, its clinician and its observable rule; three None for real records."""
    cohort = config.cohort
    if not isinstance(cohort, SimulatedCohort):
        return None, None, None
    treatment = true_treatment(cohort.source, alive=config.reward.alive, died=config.reward.died)
    acting = clinician(cohort.source, cohort.confounding, cohort.hidden_confounding)
    return treatment, acting, observable_rule(cohort.source)


def _show_cohort(console: Console, cohort: Cohort) -> None:
    table = Table(title="Cohort flow", title_justify="left", box=None)
    table.add_column("step")
    table.add_column("stays", justify="right")
    for step in cohort.records.flow:
        table.add_row(step.step, f"{step.stays:,}")
    console.print(table)
    covered = cohort.records.coverage
    features = ", ".join(f"{f.name} {f.measured:.0%}" for f in covered.features)
    drugs = ", ".join(f"{d.name} {d.given:.0%}" for d in covered.drugs)
    console.print(f"[bold]Measured[/] (share of decisions): {features}", highlight=False)
    console.print(f"[bold]Given[/] (share of intervals): {drugs}", highlight=False)


def _show_policies(console: Console, report: Report) -> None:
    table = Table(title="Policies (value: expected reward)", title_justify="left", box=None)
    for column in ("policy", "simulator claims", "off-policy (WIS)", "verdict", "truth"):
        table.add_column(column)
    for policy in report.policies.values():
        found = policy.estimates.get(report.primary_estimator)
        evaluable = found is not None and found.verdict != "not evaluable"
        table.add_row(
            policy.label,
            _number(policy.simulator_value.value if policy.simulator_value else None),
            _number(found.value if found is not None and evaluable else None),
            found.verdict if found else "",
            _number(policy.true_value.value if policy.true_value else None),
        )
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
