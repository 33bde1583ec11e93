"""What the study of patients looks at in each source: what is drawn, and whose effect is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Regression:
    """Outcome on log(dose / rule) of the first interval, under dose = rule x exp(confounding shift + N(0, spread))."""

    drug: str
    outcome: str  # a feature, at the end of the interval
    log: bool = False  # of the outcome
    spread: float = 0.3
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # of the environment


@dataclass(frozen=True)
class Probe:
    """One source of patients as the study sees it."""

    features: tuple[str, ...]  # drawn, one row each
    drug: str  # drawn below them
    unit_hours: float  # hours per unit of the time axis
    unit: str
    regression: Regression | None = None  # None where doses do not follow a rule times a factor
    seen_only: bool = False  # draw only what was measured, not what is carried forward
    shifts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))  # other patients


PROBES = {
    "sepsis": Probe(
        ("map", "lactate"),
        "norepinephrine",
        1.0,
        "hours",
        Regression("norepinephrine", "map"),
    ),
    "propofol": Probe(
        ("bis", "map"),
        "propofol",
        1 / 60,
        "minutes",
        Regression("propofol", "bis", options=MappingProxyType({"interval_hours": 2 / 60})),
        shifts=MappingProxyType(
            {
                "Schnider and Bouillon": {"population": "schnider"},
                "the same with remifentanil 4 ng/mL": {"population": "schnider", "remifentanil": 4.0},
                "without stimulation": {"stimulation": 0.0},
            }
        ),
    ),
    "glucose": Probe(
        ("cgm", "meal"),
        "bolus",
        1.0,
        "hours",
        Regression("basal", "cgm", log=True, options=MappingProxyType({"interval_hours": 4.0, "horizon": 6})),
        shifts=MappingProxyType({f"{group} only": {"group": group} for group in ("adolescent", "adult", "child")}),
    ),
    "warfarin": Probe(
        ("inr",),
        "warfarin",
        24.0,
        "days",
        Regression("warfarin", "inr", log=True),
    ),
    "tumor": Probe(
        ("volume", "neutrophils"),
        "chemotherapy",
        168.0,
        "weeks",
        Regression("chemotherapy", "volume", log=True, options=MappingProxyType({"scan_weeks": 1})),
        seen_only=True,
    ),
    "hiv": Probe(
        ("viral_load", "cd4"),
        "reverse_transcriptase_inhibitor",
        24.0,
        "days",
        Regression("reverse_transcriptase_inhibitor", "viral_load", log=True),
    ),
}
