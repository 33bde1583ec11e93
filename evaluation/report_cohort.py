"""The section of a policy report on the cohort: frozen numbers, see `report`."""

from __future__ import annotations

from typing import Literal

from .report_parts import Count, Frozen, Number


class FlowStep(Frozen):
    """One line of the cohort flow."""

    step: str
    stays: Count


class Split(Frozen):
    """Size of one split by patient."""

    patients: Count
    stays: Count
    decisions: Count


class FeatureSummary(Frozen):
    """One feature of the state over the whole cohort, measured values only."""

    name: str
    label: str = ""
    unit: str = ""
    measured: Number = None  # share of intervals with a measurement
    mean: Number = None
    sd: Number = None
    low: Number = None  # 5th percentile
    high: Number = None  # 95th percentile
    out_of_bounds: Count = 0  # values dropped as charting errors
    binary: bool = False  # 0 or 1: the mean is the share of 1


class DrugSummary(Frozen):
    """One drug: how often and how much clinicians gave."""

    name: str
    label: str = ""
    unit: str = ""
    given: Number = None  # share of intervals with any dose
    median_when_given: Number = None
    levels: tuple[float, ...] = ()  # dose of each level, in `unit`
    cuts: tuple[float, ...] = ()


class CheckResult(Frozen):
    """One check of the cohort before anything was learned: `found` of `of` things are not as they should be."""

    name: str
    status: Literal["passed", "warning", "failed"]
    found: Count
    of: int
    detail: str = ""
    remedy: str = ""


class Cohort(Frozen):
    """Who the report is about."""

    fingerprint: str  # sha256 of the trajectories
    patients: int
    stays: int
    flow: tuple[FlowStep, ...]
    name: str = ""
    simulated: bool = False
    decisions: int = 0
    splits: dict[str, Split] = {}
    outcomes: dict[str, Count] = {}
    features: tuple[FeatureSummary, ...] = ()
    drugs: tuple[DrugSummary, ...] = ()
    context: tuple[FeatureSummary, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()  # for leakage and bad data
