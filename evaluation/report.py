"""The policy report: frozen numbers only, JSON in, JSON out.

`Report` keeps every number that a run found, also those that a reader must not believe; `page.write_page` hides them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from .report_cohort import CheckResult, Cohort, DrugSummary, FeatureSummary, FlowStep, Split
from .report_details import DoseLevel, ExternalReport, Fact, SubgroupReport, TaskReport
from .report_distribution import DistributionReport, Estimated, Measure
from .report_parts import (
    SIMULATED,
    ActionCalibration,
    BehaviorReport,
    Bin,
    CalibrationBin,
    Candidate,
    ConstraintReport,
    Count,
    ErrorComparison,
    Estimand,
    EstimateReport,
    FeatureError,
    Frozen,
    Interval,
    Number,
    PolicyKind,
    PolicyReport,
    Provenance,
    Ranking,
    Selection,
    SimulatorReport,
    Truth,
    Verdict,
)
from .report_sensitivity import GammaCurve, GammaPoint, KnownCause, PolicySensitivity, SensitivityReport
from .report_sites import SiteReport, SitesReport
from .report_tree import TreeReport, TreeRow
from .report_weights import ExpectedReport

__all__ = [
    "REPORT_FILE",
    "SIMULATED",
    "SCHEMA_VERSION",
    "ActionCalibration",
    "BehaviorReport",
    "Bin",
    "CalibrationBin",
    "Candidate",
    "CheckResult",
    "Cohort",
    "Count",
    "ConstraintReport",
    "DistributionReport",
    "DoseLevel",
    "DrugSummary",
    "ErrorComparison",
    "Estimand",
    "EstimateReport",
    "ExpectedReport",
    "Estimated",
    "ExternalReport",
    "Fact",
    "FeatureError",
    "FeatureSummary",
    "FlowStep",
    "Frozen",
    "GammaCurve",
    "GammaPoint",
    "Interval",
    "KnownCause",
    "Measure",
    "Number",
    "PolicyKind",
    "PolicyReport",
    "PolicySensitivity",
    "Provenance",
    "Ranking",
    "Report",
    "Selection",
    "SensitivityReport",
    "SimulatorReport",
    "SiteReport",
    "SitesReport",
    "Split",
    "SubgroupReport",
    "TaskReport",
    "TreeReport",
    "TreeRow",
    "Truth",
    "Verdict",
    "load_report",
]

SCHEMA_VERSION = "1"
REPORT_FILE = "report.json"


class Report(Frozen):
    """One run, in numbers."""

    name: str
    title: str
    config_hash: str
    created: str  # ISO 8601
    estimand: Estimand
    cohort: Cohort
    behavior: BehaviorReport | None
    policies: dict[str, PolicyReport]
    simulator: SimulatorReport
    provenance: Provenance
    selection: Selection | None = None
    truth: Truth | None = None
    ranking: tuple[Ranking, ...] = ()  # `ranking.rankings(policies)`; empty without a known truth
    primary_estimator: str = "weighted_importance_sampling"  # the one that headlines quote
    limits: tuple[str, ...] = ()  # limits of this run, added to the general ones
    task: TaskReport | None = None
    subgroups: tuple[SubgroupReport, ...] = ()
    external: ExternalReport | None = None
    tree: TreeReport | None = None
    sites: SitesReport | None = None
    sensitivity: SensitivityReport | None = None
    expected: dict[str, ExpectedReport] = {}  # by policy, where the truth is a table
    distributions: dict[str, DistributionReport] = {}  # by policy
    schema_version: Literal["1"] = "1"

    def save(self, path: Path | str) -> Path:
        """Write JSON to `path` (a file, or a run folder); whole or not at all."""
        path = _file(path)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
        return path


def load_report(path: Path | str) -> Report:
    """Read a report from its JSON file or run folder; ValueError names the first keys that do not fit the schema."""
    path = _file(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a report at {path}, found none; a finished run folder holds {REPORT_FILE}")
    try:
        return Report.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])
        raise ValueError(f"{path} is not a report of schema version {SCHEMA_VERSION}: {first}; run it again") from error


def _file(path: Path | str) -> Path:
    path = Path(path)
    return path / REPORT_FILE if path.is_dir() else path
