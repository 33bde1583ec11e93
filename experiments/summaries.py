"""The sections of a report that describe the cohort, the fitted clinician and the run itself."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from ..agents.behavior import FittedBehavior, without_sites
from ..contracts import Decisions, Feature, Spec, Trajectories
from ..evaluation.behavior_quality import BehaviorQuality, behavior_quality
from ..evaluation.report import (
    ActionCalibration,
    BehaviorReport,
    Bin,
    CalibrationBin,
    CheckResult,
    Cohort,
    DrugSummary,
    FeatureSummary,
    FlowStep,
    Provenance,
    Split,
)
from ..trajectories.checks import Check
from ..trajectories.coverage import Coverage
from ..trajectories.fingerprint import fingerprint
from ..trajectories.records import Records

PACKAGES = ("torch", "numpy", "pandas", "gymnasium", "stable-baselines3", "pyarrow", "scipy")


def cohort_section(
    records: Records,
    splits: dict[str, Trajectories],
    *,
    name: str,
    simulated: bool,
    checks: tuple[Check, ...] = (),
) -> Cohort:
    """Who the report is about: flow, sizes, outcomes, and every feature with how often it was measured."""
    t = records.trajectories
    counts = torch.bincount(t.outcome, minlength=len(t.spec.outcomes)).tolist()
    return Cohort(
        fingerprint=fingerprint(t),
        patients=_patients(t),
        stays=len(t),
        flow=tuple(FlowStep(step=s.step, stays=s.stays) for s in records.flow),
        name=name,
        simulated=simulated,
        decisions=int(t.mask.sum()),
        splits={
            name: Split(patients=_patients(s), stays=len(s), decisions=int(s.mask.sum())) for name, s in splits.items()
        },
        outcomes=dict(zip(t.spec.outcomes, counts, strict=True)),
        features=_features(t, records.coverage),
        drugs=_drugs(t, records.coverage),
        context=tuple(
            _summary(feature, t.context[:, i], records.coverage.context[i].known)
            for i, feature in enumerate(t.spec.context)
        ),
        warnings=records.warnings,
        checks=tuple(CheckResult(**asdict(check)) for check in checks),
    )


def _patients(t: Trajectories) -> int:
    return len(set(t.subject.tolist()))


def _features(t: Trajectories, coverage: Coverage) -> tuple[FeatureSummary, ...]:
    return tuple(
        _summary(feature, t.vitals[..., i][t.seen[..., i]], found.measured, found.out_of_bounds)
        for i, (feature, found) in enumerate(zip(t.spec.features, coverage.features, strict=True))
    )


def _summary(feature: Feature, values: Tensor, measured: float, out_of_bounds: int = 0) -> FeatureSummary:
    several = len(values) > 1
    low, high = torch.quantile(values.double(), torch.tensor([0.05, 0.95]).double()) if several else (None, None)
    return FeatureSummary(
        name=feature.name,
        label=feature.label,
        unit=feature.unit,
        measured=measured,
        mean=float(values.double().mean()) if several else None,
        sd=float(values.double().std()) if several else None,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        out_of_bounds=out_of_bounds,
        binary=feature.scale == "category" and len(feature.levels) <= 2,
    )


def _drugs(t: Trajectories, coverage: Coverage) -> tuple[DrugSummary, ...]:
    summaries = []
    for u, (drug, found) in enumerate(zip(t.spec.drugs, coverage.drugs, strict=True)):
        given = t.dose[..., u][t.mask & (t.dose[..., u] > 0)]
        summaries.append(
            DrugSummary(
                name=drug.name,
                label=drug.label,
                unit=drug.unit,
                given=found.given,
                median_when_given=float(given.median()) if len(given) else None,
                levels=drug.levels,
                cuts=drug.cuts,
            )
        )
    return tuple(summaries)


def behavior_section(
    held_out: Decisions, train: Decisions, behavior: FittedBehavior, kind: str, spec: Spec
) -> BehaviorReport:
    """How well the fitted clinician describes decisions that it was not fitted to."""
    actions = spec.actions
    marginal = torch.bincount(train.action[train.mask], minlength=actions).double() + 1
    quality: BehaviorQuality = behavior_quality(held_out, behavior, marginal=(marginal / marginal.sum()).numpy())
    return BehaviorReport(
        model=kind,
        decisions=quality.decisions,
        nll=quality.nll,
        nll_marginal=quality.nll_marginal,
        ece=quality.ece,
        auroc=quality.auroc,
        temperature=float(without_sites(behavior).temperature),
        least_propensity=quality.least_propensity,
        share_below_001=quality.share_below_001,
        calibration=tuple(
            CalibrationBin(predicted=b.predicted, observed=b.observed, count=b.count) for b in quality.calibration
        ),
        actions=tuple(
            ActionCalibration(doses=doses, predicted=a.predicted, observed=a.observed, count=a.count)
            for doses, a in zip(product(*(drug.levels for drug in spec.drugs)), quality.actions, strict=True)
        ),
        propensities=tuple(Bin(low=low, high=high, count=n) for low, high, n in quality.propensities),
    )


def provenance_section(*, seed: int, device: str, seconds: dict[str, float], data: str) -> Provenance:
    """What is needed to run it again."""
    return Provenance(
        version=version("posology"),
        commit=_commit(),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
        seed=seed,
        device=device,
        seconds=seconds,
        data=data,
        platform=f"{platform.system()} {platform.machine()}",
    )


def _commit() -> str:
    """The commit of the checkout that the package runs from, marked where files differ from it; empty elsewhere."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
