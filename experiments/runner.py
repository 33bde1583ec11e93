"""Running an experiment: records -> learned simulator -> policies -> estimates -> report, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ..contracts import DIED, Clinician, Treatment
from ..envs import decisions
from ..envs.logged import logged_costs
from ..evaluation.checklist import write_checklist
from ..evaluation.page import write_page
from ..evaluation.report import Report
from .assemble import assemble
from .config import ConfigError, ExperimentConfig, SimulatedCohort
from .ensembles import simulator_of
from .external_stage import external_stage
from .fidelity_stage import fidelity_stage
from .judge import Bench
from .judged import policies_to_judge
from .learners import needs_doses
from .learning import Learned, learn
from .plan import plan_of
from .reading import Cohort, read_cohort
from .show_records import show_checks
from .simulated_estimate import first_states
from .sources import Rule, clinician, source, true_treatment
from .stages import Run, write_text
from .verdicts import judged_stage
from .worth import reward_name, reward_of, reward_options, shaped_of

FIRST_SIMULATED = 10**12  # seeds of patients met in evaluation, far from any cohort's
FIRST_TRAINING = 2 * 10**12  # ... and in training


def run_experiment(config: ExperimentConfig, out: Path, *, force: bool = False, console: Console) -> Path:
    """Run what `config` says in OUT/<name>-<hash>/ and return the report's path.

    Finished stages are reused unless `force`. RunBusyError where another process works in the folder; ConfigError and
    MedsError for what cannot be run or read.
    """
    run = Run(out / f"{config.name}-{config.hash}", plan_of(config), console)
    with run.locked():
        if force:
            run.clear()
        write_text(run.folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        known = known_truth(config)
        cohort = read_cohort(config, run)
        _show_cohort(console, cohort)
        show_checks(console, cohort.checks)
        report = _report(config, run, cohort, known)
        report.save(run.folder)
        page = write_page(report, run.folder / "report.html")
        write_checklist(report, run.folder)
        _show_policies(console, report)
        return Path(page)


def _report(config: ExperimentConfig, run: Run, cohort: Cohort, known: Known | None) -> Report:
    learned = learn(config, run, cohort, first_seed=FIRST_TRAINING + config.seed * 10**9)
    held_out, task = cohort.splits["held_out"], cohort.task
    bench = Bench(
        held_out=decisions(learned.simulator, held_out),
        costs=logged_costs(learned.simulator, held_out),
        behavior=learned.behavior,
        simulator=learned.simulator,
        truth=known.treatment if known else None,
        config=config.evaluation,
        reward_range=reward_of(config, task.spec, task.horizon * task.interval).meaning.bounds,
        seed=FIRST_SIMULATED + config.seed * 10**9,
        train=learned.train,
        critic_sees=_believed(config, cohort, learned),
        refits=learned.refits,
        first=first_states(learned.patient, held_out),
        died=((held_out.outcome == DIED) & (held_out.length <= task.horizon)).numpy(),
        observed=learned.observed,
        second=None if learned.second is None else simulator_of(config, task, learned.second),
        shaped=shaped_of(config, learned.simulator),
    )
    bench = _with_doses(bench, config, cohort, learned, known) if needs_doses(config) else bench
    everyone = policies_to_judge(
        learned.behavior,
        learned.baselines,
        learned.free.policy,
        learned.penalised,
        config.blends,
        spec=task.spec,
        clinician=known.clinician if known else None,
        rules=known.rules if known else (),
        learner=config.learner,
        offline=learned.offline,
    )
    simulator = fidelity_stage(config, run, cohort, learned)
    external = external_stage(config, run, cohort, learned, simulator)
    found = judged_stage(config, run, learned, everyone, bench)
    return assemble(config, run, cohort, learned, bench, found, simulator, external)


def _believed(config: ExperimentConfig, cohort: Cohort, learned: Learned) -> tuple[Tensor, Tensor] | None:
    """What the simulator infers (N, T+1, Q) at every state of held-out and training stays; None: critics see those."""
    if config.evaluation.critic_sees == "observations":
        return None
    steps = learned.simulator.horizon + 1
    held_out, train = (learned.patient.assimilate(cohort.splits[part])[:, :steps] for part in ("held_out", "train"))
    return held_out, train


def _with_doses(bench: Bench, config: ExperimentConfig, cohort: Cohort, learned: Learned, known: Known | None) -> Bench:
    """A bench that also has treatments of continuous doses."""
    simulator = simulator_of(config, cohort.task, learned.patient, action="continuous")
    truth = known.doses if known else None
    second = None if learned.second is None else simulator_of(config, cohort.task, learned.second, action="continuous")
    doses = replace(bench, simulator=simulator, truth=truth, second=second, shaped=shaped_of(config, simulator))
    return replace(bench, doses=doses)


@dataclass(frozen=True)
class Known:
    """The environment whose truth is known, its clinician, and the rules judged in it."""

    treatment: Treatment
    clinician: Clinician
    rules: tuple[Rule, ...]
    doses: Treatment | None = None  # the same environment with continuous doses, where a learner gives those


def known_truth(config: ExperimentConfig) -> Known | None:
    """What is known of the patients of a run; None for real records. ConfigError for doses that it cannot take."""
    cohort = config.cohort
    if not isinstance(cohort, SimulatedCohort):
        return None
    known = source(cohort.source)
    options: dict[str, object] = dict(reward_options(config))
    if reward_name(config) != known.reward:
        options["reward"] = reward_name(config)
    acting = clinician(cohort.source, cohort.confounding, cohort.hidden_confounding)
    return Known(true_treatment(cohort.source, **options), acting, known.rules, _doses(config, cohort.source, options))


def _doses(config: ExperimentConfig, name: str, options: dict[str, object]) -> Treatment | None:
    if not needs_doses(config):
        return None
    try:
        return true_treatment(name, **options, action="continuous")
    except (TypeError, ValueError):
        raise ConfigError(
            f"learner, offline: sac and td3_bc give continuous doses, which the patients of {name!r} do not take; "
            "choose other learners"
        ) from None


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
