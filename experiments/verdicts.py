"""The evaluation stage of a run: everyone judged once, kept as JSON and as arrays for paired comparison."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from ..contracts import Progress
from ..evaluation.report import (
    Candidate,
    DistributionReport,
    ExpectedReport,
    PolicyReport,
    SensitivityReport,
    SubgroupReport,
    TreeReport,
)
from ..evaluation.run_arrays import EVALUATION_FILE, save_arrays
from .config import ExperimentConfig, SimulatedCohort
from .distribution_section import distribution_reports
from .expected import expected_reports
from .judge import Bench, judge, value_in
from .judged import Judged
from .learning import Learned
from .sensitivity_section import sensitivity_report
from .stages import Run
from .subgroups import subgroup_reports
from .tree_section import tree_report


@dataclass(frozen=True)
class Found:
    """What the report says of policies, and of the penalties tried."""

    policies: dict[str, PolicyReport]
    candidates: tuple[Candidate, ...]
    subgroups: tuple[SubgroupReport, ...] = ()
    tree: TreeReport | None = None  # of the chosen policy
    sensitivity: SensitivityReport | None = None
    expected: dict[str, ExpectedReport] = field(default_factory=dict)
    distributions: dict[str, DistributionReport] = field(default_factory=dict)  # by policy


_FOUND = TypeAdapter(Found)


def judged_stage(config: ExperimentConfig, run: Run, learned: Learned, everyone: list[Judged], bench: Bench) -> Found:
    """Judge `everyone`, or reuse what an earlier, unchanged run found; puts the arrays into the run folder."""

    def build(folder: Path, progress: Progress) -> None:
        verdicts = judge(everyone, bench, lambda share, message: progress(0.7 * share, message))
        by_group = subgroup_reports(bench, verdicts, lambda share, message: progress(0.7 + 0.1 * share, message))
        chosen = next((one for one in everyone if one.kind == "penalised"), None)
        tree = None if chosen is None else tree_report(chosen, bench)
        cohort = config.cohort
        hidden = cohort.hidden_confounding if isinstance(cohort, SimulatedCohort) else None
        bounds = sensitivity_report(everyone, bench, verdicts, hidden=hidden)
        tried = _candidates(learned, bench, lambda share, message: progress(0.8 + 0.1 * share, message))
        expected = expected_reports(everyone, bench, lambda share, message: progress(0.9 + 0.1 * share, message))
        found = Found(
            policies=verdicts.policies,
            candidates=tried,
            subgroups=by_group,
            tree=tree,
            sensitivity=bounds,
            expected=expected,
            distributions=distribution_reports(everyone, bench, verdicts),
        )
        (folder / "found.json").write_bytes(_FOUND.dump_json(found, indent=1))
        save_arrays(
            folder,
            subject=bench.held_out.subject.numpy(),
            observed=bench.held_out.reward.sum(1).double().numpy(),
            estimates=verdicts.estimates,
            true_returns={name: value.returns for name, value in verdicts.true_values.items()},
        )

    found = run.stage("evaluation", build, _load)
    partial = run.folder / (EVALUATION_FILE + ".tmp")
    shutil.copyfile(run.folder / "evaluation" / EVALUATION_FILE, partial)
    partial.replace(run.folder / EVALUATION_FILE)
    return found


def _candidates(learned: Learned, bench: Bench, progress: Progress) -> tuple[Candidate, ...]:
    """Every penalty tried, with its claim and its truth: looked at after the choice, never used for it."""
    rows = []
    tried = (learned.free, *learned.candidates)
    for number, trained in enumerate(tried):
        progress(number / len(tried), f"penalty {trained.penalty:g}")
        place = bench.of(trained.policy)
        rows.append(
            Candidate(
                penalty=trained.penalty,
                unsupported=trained.unsupported,
                claimed=value_in(place.simulator, trained.policy, bench, bench.config.simulator_stays),
                true=value_in(place.truth, trained.policy, bench, bench.config.true_stays),
                second=trained.second,
                chosen=trained is learned.candidates[learned.chosen],
            )
        )
    return tuple(rows)


def _load(folder: Path) -> Found:
    return _FOUND.validate_json((folder / "found.json").read_bytes())
