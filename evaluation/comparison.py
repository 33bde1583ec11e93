"""Comparing runs: paired differences between their policies of the same name, on the same patients.

Refused unless cohort, held-out stays and estimand are the same: a difference between other numbers means nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .off_policy.intervals import percentile
from .off_policy.resampling import by_cluster, replicates, shifted
from .off_policy.statistic import Ratios
from .report import Estimand, Frozen, Interval, PolicyKind, Report, Verdict, load_report
from .run_arrays import Array, RunArrays, load_arrays
from .true_value import mean_interval

DESCRIPTIVE = {"text", "value_name", "percent"}  # fields of the estimand that change no value
ORDER: tuple[Verdict, ...] = ("supported", "model-based", "weak", "not evaluable")  # from best to worst


class RunSummary(Frozen):
    """One compared run; `label` is unique among them."""

    label: str
    folder: str
    title: str
    config_hash: str
    created: str


class Difference(Frozen):
    """Value of a policy in `run` minus that of the policy of the same name in `against`."""

    policy: str
    run: str
    against: str
    label: str
    kind: PolicyKind
    estimates: dict[str, Interval] = {}  # by estimator, resampling patients
    verdicts: dict[str, Verdict] = {}  # the worse of the two verdicts
    true: Interval | None = None  # on common random numbers


class Comparison(Frozen):
    """Runs, and every paired difference from the first of them."""

    fingerprint: str
    estimand: Estimand
    runs: tuple[RunSummary, ...]
    differences: tuple[Difference, ...]
    primary_estimator: str
    unpaired: tuple[str, ...] = ()  # policies that not every run has
    notes: tuple[str, ...] = ()
    schema_version: Literal["1"] = "1"


@dataclass(frozen=True)
class _Run:
    label: str
    report: Report
    arrays: RunArrays


def compare(folders: Sequence[Path | str], *, draws: int = 1000, seed: int = 0) -> Comparison:
    """Paired differences of every later run from the first.

    ValueError for fewer than two different runs, other cohorts, held-out stays or estimands.
    """
    paths = [Path(folder).resolve() for folder in folders]
    if len(set(paths)) < 2 or len(set(paths)) < len(paths):
        raise ValueError(f"expected two or more different run folders, got {', '.join(map(str, folders)) or 'none'}")
    runs = _load(paths)
    first, *others = runs
    for other in others:
        _check(first, other)
    differences = [d for other in others for d in _differences(other, first, draws, seed)]
    names = [set[str](run.report.policies) for run in runs]
    return Comparison(
        fingerprint=first.report.cohort.fingerprint,
        estimand=first.report.estimand,
        runs=tuple(
            RunSummary(
                label=run.label,
                folder=path.name,
                title=run.report.title,
                config_hash=run.report.config_hash,
                created=run.report.created,
            )
            for run, path in zip(runs, paths, strict=True)
        ),
        differences=tuple(differences),
        primary_estimator=first.report.primary_estimator,
        unpaired=tuple(sorted({n for found in names for n in found if not all(n in other for other in names)})),
        notes=tuple(_notes(first, others)),
    )


def _load(paths: Sequence[Path]) -> list[_Run]:
    reports = [load_report(path) for path in paths]
    labels = [report.name for report in reports]
    if len(set(labels)) < len(labels):
        labels = [f"{report.name}-{report.config_hash[:8]}" for report in reports]
    if len(set(labels)) < len(labels):
        labels = [path.name for path in paths]
    if len(set(labels)) < len(labels):
        labels = [str(path) for path in paths]
    return [_Run(label, report, load_arrays(p)) for label, report, p in zip(labels, reports, paths, strict=True)]


def _check(first: _Run, other: _Run) -> None:
    """ValueError unless a difference between the two runs has a meaning."""
    a, b = first.report, other.report
    pair = f"{first.label} and {other.label}"
    if a.cohort.fingerprint != b.cohort.fingerprint:
        raise ValueError(
            f"{pair} stand on different cohorts (fingerprints {a.cohort.fingerprint[:12]} and "
            f"{b.cohort.fingerprint[:12]}); run both on the same data, task and cohort settings"
        )
    ours, theirs = (e.model_dump(exclude=DESCRIPTIVE) for e in (a.estimand, b.estimand))
    unlike = [f"{key}: {ours[key]!r} and {theirs[key]!r}" for key in ours if ours[key] != theirs[key]]
    if unlike:
        raise ValueError(f"{pair} estimate different things ({'; '.join(unlike)}); give both the same estimand")
    if not np.array_equal(first.arrays.subject, other.arrays.subject):
        raise ValueError(f"{pair} held out different stays; give both the same split")
    if not np.array_equal(first.arrays.observed, other.arrays.observed):
        raise ValueError(f"{pair} saw different returns in the same held-out stays; run both with the same version")


def _differences(run: _Run, against: _Run, draws: int, seed: int) -> list[Difference]:
    found = []
    for name, policy in run.report.policies.items():
        base = against.report.policies.get(name)
        if base is None or policy.kind == "clinician":
            continue
        verdicts = {
            e: max(policy.estimates[e].verdict, base.estimates[e].verdict, key=ORDER.index)
            for e in policy.estimates
            if e in base.estimates
        }
        found.append(
            Difference(
                policy=name,
                run=run.label,
                against=against.label,
                label=policy.label,
                kind=policy.kind,
                estimates=_estimates(name, run.arrays, against.arrays, draws, seed),
                verdicts=verdicts,
                true=_true(name, run, against),
            )
        )
    return found


def _estimates(policy: str, a: RunArrays, b: RunArrays, draws: int, seed: int) -> dict[str, Interval]:
    """Differences of sums of ratios, resampling patients once for all estimators."""
    names = [e for e in a.num.get(policy, {}) if e in b.num.get(policy, {})]
    parts: list[tuple[Array, Array]] = []
    for e in names:
        num = np.concatenate((a.num[policy][e], -b.num[policy][e]), 1)
        den = np.concatenate((a.den[policy][e], b.den[policy][e]), 1)
        parts.append((by_cluster(num, a.subject), by_cluster(den, a.subject)))
    if not parts:
        return {}
    ratios = [Ratios(num, den) for num, den in parts]
    drawn = replicates([(ratio.columns(), ratio.combine) for ratio in ratios], draws, seed)
    found = {}
    for column, (e, (num, den)) in enumerate(zip(names, parts, strict=True)):
        moved = drawn[:, column]
        for k, run in enumerate((a, b)):  # clinicians are fitted in each run
            moved = shifted(moved, run.shift.get(policy, {}).get(e), seed + k)
        low, high = percentile(moved, 0.95)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = num.sum(0) / den.sum(0)
        cut = a.num[policy][e].shape[1]
        value = float(own[:cut].sum() + own[cut:].sum())
        found[e] = Interval(value=value, low=low, high=high)
    return found


def _true(policy: str, run: _Run, against: _Run) -> Interval | None:
    ours, theirs = run.arrays.true_return.get(policy), against.arrays.true_return.get(policy)
    if ours is None or theirs is None or not _same_truth(run, against) or len(ours) != len(theirs):
        return None
    gap = ours - theirs
    low, high = mean_interval(gap)
    return Interval(value=float(gap.mean()), low=low, high=high)


def _same_truth(a: _Run, b: _Run) -> bool:
    one, two = a.report.truth, b.report.truth
    return (
        one is not None
        and two is not None
        and (one.patients, one.seed, one.model)
        == (
            two.patients,
            two.seed,
            two.model,
        )
    )


def _notes(first: _Run, others: Sequence[_Run]) -> list[str]:
    notes = []
    if first.report.truth is not None and not all(_same_truth(first, other) for other in others):
        notes.append("True values of some runs come from other simulated patients and are not paired.")
    versions = {run.report.provenance.version for run in (first, *others)}
    commits = {run.report.provenance.commit for run in (first, *others)}
    if len(versions) > 1 or len(commits) > 1:
        told = sorted(itertools.chain(versions, filter(None, commits)))
        notes.append(f"The runs come from different versions of the code: {', '.join(told)}.")
    return notes
