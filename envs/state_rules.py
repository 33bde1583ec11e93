"""Contraindications by state: when measurements are so, doses like these are not to be given. Rules have names.

Where a measurement that a rule needs was never made of a patient, the rule does not apply.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from .constraints import SLACK, with_rate


@dataclass(frozen=True)
class When:
    """A measurement is below `value`, or above it; `at` includes the value itself."""

    feature: int  # column
    value: float
    below: bool
    max_age: float  # hours beyond which the feature counts as never measured
    at: bool = False

    def holds(self, state: PatientState) -> Tensor:
        """Whether it is so (B,) bool."""
        x = state.vitals[:, self.feature]
        gap = self.value - x if self.below else x - self.value
        return (gap >= 0 if self.at else gap > 0) & (state.age[:, self.feature] < self.max_age)


@dataclass(frozen=True)
class Given:
    """So much of a drug was given in all, in its unit x hours: more than `amount`."""

    column: int  # of the drug
    amount: float

    def holds(self, state: PatientState) -> Tensor:
        """Whether it is so (B,) bool."""
        return state.total_dose[:, self.column] > self.amount


@dataclass(frozen=True)
class Dosed:
    """A drug's mean rate is above `rate`, or with `upto` at most `rate`."""

    column: int  # of the drug
    rate: float
    upto: bool = False

    def holds(self, dose: Tensor) -> Tensor:
        """Whether it is so (B,) bool."""
        rate = dose[:, self.column]
        return rate <= self.rate * (1 + SLACK) if self.upto else rate > self.rate * (1 + SLACK)


@dataclass(frozen=True)
class StateRule:
    """While every condition of `when` holds, a dose of which every part of `doses` holds is forbidden.

    The cost is 1 for a decision against the rule. `remedy` (drug, rate) is what projection sets to leave the forbidden
    doses: more of a drug where too little is forbidden, less where too much is.
    """

    name: str
    when: tuple[When | Given, ...]
    doses: tuple[Dosed, ...]
    remedy: tuple[int, float]  # column of the drug, its rate
    unit: str = "decisions"
    limit: float = 0.0
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """1 (B,) where the rule is broken, else 0."""
        return (~self.permits(before, dose, hours)).to(dose.dtype)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        applies = torch.stack([condition.holds(state) for condition in self.when]).all(0)
        return ~(applies & torch.stack([part.holds(dose) for part in self.doses]).all(0))

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose (B, U) with the remedy where the rule would be broken."""
        column, rate = self.remedy
        instead = torch.where(self.permits(state, dose, hours), dose[:, column], rate)
        return with_rate(dose, column, instead)


def festor_rules(spec: Spec) -> tuple[StateRule, ...]:
    """Rules A to D of Festor et al. (2022), BMJ Health Care Inform 29:e100549, as far as the spec measures them.

    A: neither vasopressor nor more than 20 mL/h of fluid while MAP is below 55 mmHg. B: more than .65 ug/kg/min while
    MAP is above 95. C: no fluid while MAP is at most 55 and central venous pressure at most 5 mmHg. D: more than 240
    mL/h while MAP is at least 75, central venous pressure at least 15 mmHg and the balance above 10 L, here the fluid
    given, for no output is known. C and D need a feature `cvp` (mmHg). What is given in place is the smallest dose
    that a rule asks for, or the largest that it permits. KeyError where the spec lacks `map`, `fluid` (mL/h) or
    `norepinephrine` (ug/kg/min).
    """
    pressure, fluid, vaso = spec.feature("map"), spec.drug("fluid"), spec.drug("norepinephrine")

    def reading(feature: int, value: float, *, below: bool, at: bool = False) -> When:
        return When(feature, value, below, spec.features[feature].max_age, at)

    start = next((level for level in spec.drugs[vaso].levels if level > 0), 0.05)
    more = next((level for level in spec.drugs[fluid].levels if level > 20), 50.0)
    rules = [
        StateRule(
            "A: untreated below 55 mmHg",
            (reading(pressure, 55.0, below=True),),
            (Dosed(vaso, 0.0, upto=True), Dosed(fluid, 20.0, upto=True)),
            (vaso, start),
        ),
        StateRule(
            "B: maximal vasopressor above 95 mmHg",
            (reading(pressure, 95.0, below=False),),
            (Dosed(vaso, 0.65),),
            (vaso, 0.65),
        ),
    ]
    if any(f.name == "cvp" and f.unit == "mmHg" for f in spec.features):
        venous = spec.feature("cvp")
        low = (reading(pressure, 55.0, below=True, at=True), reading(venous, 5.0, below=True, at=True))
        full = (reading(pressure, 75.0, below=False, at=True), reading(venous, 15.0, below=False, at=True))
        rules += [
            StateRule("C: no fluid below 55 mmHg, CVP 5", low, (Dosed(fluid, 0.0, upto=True),), (fluid, more)),
            StateRule(
                "D: fluid above 75 mmHg, CVP 15, 10 L",
                (*full, Given(fluid, 10_000.0)),
                (Dosed(fluid, 240.0),),
                (fluid, 240.0),
            ),
        ]
    return tuple(rules)


def icu_sepsis_rules(spec: Spec) -> tuple[StateRule, ...]:
    """Rules A and B in the units of ICU-Sepsis, where pressure is known in standard deviations and doses in levels.

    A: neither drug more than one SD below the mean pressure. B: vasopressor at its highest level more than one SD
    above it. D: fluid at its highest level with a balance more than one SD above the mean. The thresholds are design
    choices, for the package publishes no means and deviations.
    """
    pressure, balance = spec.feature("map"), spec.feature("balance")
    fluid, vaso = spec.drug("fluid"), spec.drug("vasopressor")
    age = spec.features[pressure].max_age
    return (
        StateRule(
            "A: untreated in low pressure",
            (When(pressure, -1.0, True, age),),
            (Dosed(vaso, 0.5, upto=True), Dosed(fluid, 0.5, upto=True)),
            (fluid, 1.0),
        ),
        StateRule(
            "B: maximal vasopressor in high pressure",
            (When(pressure, 1.0, False, age),),
            (Dosed(vaso, 3.5),),
            (vaso, 3.0),
        ),
        StateRule(
            "D: maximal fluid in overload", (When(balance, 1.0, False, age),), (Dosed(fluid, 3.5),), (fluid, 3.0)
        ),
    )
