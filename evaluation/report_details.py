"""Sections of a report for those who look closer: the task, the doses, subgroups, another record set."""

from __future__ import annotations

from .report_parts import Count, ErrorComparison, EstimateReport, FeatureError, Frozen, Interval, Number


class Fact(Frozen):
    """One answer to a question that a reviewer asks of a task."""

    name: str
    text: str


class DoseLevel(Frozen):
    """One dose level of one drug: the recorded doses that count as it, and what a policy gives instead."""

    drug: str
    dose: float  # in the drug's unit
    above: Number = None  # recorded doses over this ...
    up_to: Number = None  # ... and up to this; None: no limit
    decisions: Count = None  # of the whole cohort
    share: Number = None


class TaskReport(Frozen):
    """The decision problem, as a reviewer needs it to judge or repeat it."""

    name: str
    description: str = ""
    facts: tuple[Fact, ...] = ()
    levels: tuple[DoseLevel, ...] = ()


class SubgroupReport(Frozen):
    """One group of held-out patients, and what the records say of every policy in it."""

    variable: str  # e.g. "Age"
    group: str  # e.g. "under 65 years"
    patients: Count
    stays: Count
    observed: Interval | None = None  # the clinicians' value
    estimates: dict[str, EstimateReport] = {}  # by policy, of the primary estimator


class ExternalReport(Frozen):
    """The simulator learned at home, on stays of another record set, beside simpler models from home."""

    name: str
    fingerprint: str
    patients: Count
    stays: Count
    decisions: Count
    features: tuple[str, ...]  # in common, judged on
    missing: tuple[str, ...] = ()  # known to the simulator, but not in these records: given as never measured
    errors: tuple[FeatureError, ...] = ()  # one and more decisions ahead
    home: tuple[FeatureError, ...] = ()  # of the same features at home
    comparisons: tuple[ErrorComparison, ...] = ()  # learned minus simpler model, on these stays
    scores: dict[str, Number] = {}  # of the risk of death
    notes: tuple[str, ...] = ()
