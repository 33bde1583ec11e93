"""What the held-out records say of every policy in each group of patients."""

from __future__ import annotations

import numpy as np

from ..contracts import Progress, silent
from ..evaluation.report import Interval, SubgroupReport
from ..evaluation.subgroups import Group, groups
from ..evaluation.true_value import mean_interval
from .judge import Bench, Verdicts, estimate_reports

PRIMARY = "weighted_importance_sampling"


def subgroup_reports(bench: Bench, found: Verdicts, progress: Progress = silent) -> tuple[SubgroupReport, ...]:
    """Observed value and estimates by group, each with the diagnostics and the verdict of that group alone."""
    everyone = groups(bench.held_out, bench.simulator.spec.context)
    reports = []
    for done, group in enumerate(everyone):
        progress(done / len(everyone), f"{group.variable}: {group.name}")
        reports.append(_report(bench, found, group))
    return tuple(reports)


def _report(bench: Bench, found: Verdicts, group: Group) -> SubgroupReport:
    primary = {name: e[PRIMARY].subset(group.rows) for name, e in found.estimates.items() if PRIMARY in e}
    estimates = {}
    for name, ours in primary.items():
        base = {PRIMARY: primary["clinician"]} if name != "clinician" and "clinician" in primary else {}
        estimates[name] = estimate_reports({PRIMARY: ours}, base, bench.config, None)[PRIMARY]
    returns = bench.held_out.reward.sum(1).double().numpy()[group.rows]
    low, high = mean_interval(returns, bench.config.level)
    return SubgroupReport(
        variable=group.variable,
        group=group.name,
        patients=len(np.unique(bench.held_out.subject.numpy()[group.rows])),
        stays=int(group.rows.sum()),
        observed=Interval(value=float(returns.mean()), low=low, high=high),
        estimates=estimates,
    )
