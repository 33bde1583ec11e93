"""The acceptance table of the sepsis model: 20,000 patients, common random numbers, 3 sqrt(2) standard errors."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from posology.contracts import DIED, Clinician, PatientState
from posology.patient_models.sepsis import Sepsis
from posology.patient_models.sepsis_memory import recall
from posology.patient_models.sepsis_protocols import (
    FixedDose,
    InLevels,
    ObservableRule,
    RandomLevels,
    SpecifiedClinician,
    Titrated,
)
from posology.patient_models.sepsis_spec import SPEC
from posology.patient_models.simulate import Course, follow
from torch import Tensor

TABLE = PATIENTS = 20_000  # patients behind the table, and behind the test
ALLOWED = 3 * math.sqrt(2)  # standard errors: both the table and the test are samples


@dataclass(frozen=True)
class FixedLevels:
    """1,500 mL in the first interval, then 150 mL, and .03 ug/kg/min for everybody."""

    noise_dim: int = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        fluid = torch.where(state.hours <= 0, 375.0, 37.5)
        return torch.stack((fluid, torch.full_like(fluid, 0.03)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros(len(dose))


@dataclass(frozen=True)
class WithoutHypertension:
    """The rule with one MAP target for everybody."""

    rule: Clinician = ObservableRule(targets=(62.5, 62.5))
    noise_dim: int = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return self.rule.dose(state, noise)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return self.rule.log_prob(state, dose)


ARMS: dict[str, Clinician] = {
    "clinician": SpecifiedClinician(),
    "clinician in levels": InLevels(SpecifiedClinician()),
    "clinician, hidden": SpecifiedClinician(hidden_confounding=0.03),
    "better clinician": SpecifiedClinician(gain=0.004),
    "untreated": FixedDose(),
    "norepinephrine 1.0": FixedDose(norepinephrine=1.0),
    "heavy fluid": FixedDose(first_per_kg=60, later=1500),
    "random levels": RandomLevels(),
    "best titrated": Titrated(22, 80, 68, 0.002),
    "best fixed": FixedDose(first_per_kg=20, later=100, norepinephrine=0.04),
    "best fixed levels": FixedLevels(),
    "rule": ObservableRule(),
    "rule in levels": InLevels(ObservableRule()),
    "rule without irregularity": ObservableRule(irregular=1.0),
    "rule without hypertension": WithoutHypertension(),
    "rule, all wet": ObservableRule(wet=-math.inf),
    "rule, all dry": ObservableRule(wet=math.inf, flooded=math.inf),
    **{f"target {target}": Titrated(20, 120, target, 0.006) for target in (57, 61, 65, 69, 73)},
    **{f"first {first}": Titrated(first, 80, 65, 0.006) for first in (0, 10, 20, 30, 45)},
}


@functools.cache
def clinician_course() -> Course:
    return follow(Sepsis(), ARMS["clinician"], PATIENTS)


@functools.cache
def died(arm: str, patients: int) -> Tensor:
    """Whether each of the same patients dies within 72 h (N,) in percent: 0 or 100."""
    course = clinician_course() if arm == "clinician" else follow(Sepsis(), ARMS[arm], patients)
    return 100.0 * (course.outcome == DIED).double()


def agrees(arm: str, percent: float, patients: int = PATIENTS) -> None:
    """The mortality agrees within 3 standard errors of the difference of two samples, the table's and the test's."""
    variance = percent * (100 - percent) * (1 / TABLE + 1 / patients)
    assert died(arm, patients).mean().item() == pytest.approx(percent, abs=3 * math.sqrt(variance) + 0.05), arm


def differs(arm: str, other: str, points: float) -> None:
    difference = died(arm, PATIENTS) - died(other, PATIENTS)
    error = difference.std().item() / math.sqrt(PATIENTS)
    assert difference.mean().item() == pytest.approx(points, abs=ALLOWED * error + 0.05), (arm, other)


@pytest.mark.parametrize(
    ("arm", "percent", "patients"),
    [
        ("clinician", 18.9, PATIENTS),
        ("untreated", 41.5, PATIENTS),
        ("best titrated", 12.8, PATIENTS),
        ("best fixed", 12.6, PATIENTS),
        ("rule", 10.9, PATIENTS),
        ("norepinephrine 1.0", 91.9, 4_000),
        ("heavy fluid", 83.7, 4_000),
        ("random levels", 60.6, 4_000),
        ("rule in levels", 11.5, 8_000),
    ],
)
def test_mortality(arm: str, percent: float, patients: int) -> None:
    agrees(arm, percent, patients)


def test_differences_between_main_arms() -> None:
    differs("untreated", "clinician", 22.6)
    differs("rule", "clinician", -8.0)
    differs("rule", "best titrated", -1.9)
    differs("rule", "best fixed", -1.7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "percent"),
    [
        ("norepinephrine 1.0", 91.9),
        ("heavy fluid", 83.7),
        ("random levels", 60.6),
        ("rule in levels", 11.5),
        ("target 57", 15.8),
        ("target 61", 14.3),
        ("target 65", 14.2),
        ("target 69", 17.5),
        ("target 73", 25.8),
        ("first 0", 19.3),
        ("first 10", 15.5),
        ("first 20", 14.2),
        ("first 30", 14.5),
        ("first 45", 17.2),
        ("rule without hypertension", 12.6),
        ("rule without irregularity", 11.6),
        ("rule, all wet", 11.5),
        ("rule, all dry", 16.6),
        ("best fixed levels", 13.3),
        ("better clinician", 16.3),
    ],
)
def test_mortality_of_the_other_arms(arm: str, percent: float) -> None:
    agrees(arm, percent)


@pytest.mark.slow
def test_smaller_differences() -> None:
    differs("clinician in levels", "clinician", -0.14)
    differs("clinician, hidden", "clinician", 1.0)


@pytest.mark.slow
def test_sub_steps_are_short_enough() -> None:
    deaths = [
        100 * (follow(Sepsis(substep_minutes=minutes), ARMS["clinician"], 6_000).outcome == DIED).double()
        for minutes in (10, 5, 2.5)
    ]
    assert abs((deaths[0] - deaths[1]).mean().item()) < 0.3
    assert abs((deaths[2] - deaths[1]).mean().item()) < 0.2


@pytest.fixture(scope="module")
def stays() -> Course:
    return clinician_course()


def near(values: Tensor, wanted: float, rounding: float, spread: float | None = None) -> None:
    """The mean agrees with the table within 3 sqrt(2) standard errors and the table's rounding."""
    error = (values.double().std().item() if spread is None else spread) / math.sqrt(len(values))
    assert values.double().mean().item() == pytest.approx(wanted, abs=ALLOWED * error + rounding)


def near_quantile(values: Tensor, share: float, wanted: float, rounding: float) -> None:
    """A quantile agrees: the table's value has about `share` of the sample below it."""
    count, error = len(values), math.sqrt(share * (1 - share) / len(values))
    low, high = (values < wanted - rounding).sum().item() / count, (values <= wanted + rounding).sum().item() / count
    assert low - ALLOWED * error <= share <= high + ALLOWED * error, (values.quantile(share), wanted)


def test_admission(stays: Course) -> None:
    state = stays.states[0]
    pressure, rate = recall(state.memory, "pressure"), recall(state.memory, "heart_rate")
    near(pressure, 54.8, 0.05)
    near_quantile(pressure, 0.05, 40.9, 0.05)
    near_quantile(pressure, 0.95, 67.9, 0.05)
    near(rate, 110.8, 0.05)
    near_quantile(recall(state.memory, "lactate"), 0.5, 2.80, 0.005)
    near_quantile(recall(state.memory, "lactate"), 0.95, 5.9, 0.05)
    near(state.context[:, SPEC.context_column("age")], 65, 0.5)
    near(state.context[:, SPEC.context_column("weight")], 80, 0.5)
    near(state.context[:, SPEC.context_column("saps")], 48, 0.5)
    near(state.context[:, SPEC.context_column("hypertension")], 0.40, 0)
    near(recall(state.memory, "organ"), 4.9, 0.05)
    near(recall(state.memory, "cardiac_output"), 6.2, 0.05)
    near(recall(state.memory, "vasoplegia"), 0.27, 0.005)
    near(recall(state.memory, "arrhythmic"), 0.35, 0)
    near((recall(state.memory, "contractility") < 0.9).double(), 0.335, 0.0005)


def test_clinician(stays: Course) -> None:
    care, norepinephrine = stays.in_care, stays.dose[:, :, 1]
    given = norepinephrine[care]
    assert 45 <= 100 * (given > 0).double().mean().item() <= 49
    for t, share in ((0, 0.90), (1, 0.56), (6, 0.52), (17, 0.27)):
        near((norepinephrine[care[:, t], t] > 0).double(), share, 0.005)
    assert given[given > 0].median().item() == pytest.approx(0.067, abs=0.002)
    assert given[given > 0].quantile(0.9).item() == pytest.approx(0.22, abs=0.01)
    weight = stays.states[0].context[:, SPEC.context_column("weight")]
    near(4 * stays.dose[:, 0, 0] / weight, 29.9, 0.05)
    assert 4 * stays.dose[:, :6, 0].sum(1).mean().item() / 1000 == pytest.approx(3.38, abs=0.05)
    for t, wanted in ((0, 75.5), (6, 71.6), (17, 74.2)):
        near(recall(stays.states[t + 1].memory, "mean_pressure")[care[:, t]], wanted, 0.05 if t else 0.5)
    deaths = torch.stack([s.outcome == DIED for s in stays.states], 1).double()
    dying = deaths[:, -1] > 0
    near(deaths[dying, 6], 0.32, 0.005)
    near(deaths[dying, 12], 0.74, 0.005)


@pytest.mark.parametrize(
    ("t", "feature", "wanted", "rounding"),
    [
        (0, "heart_rate", 111, 0.5),
        (6, "heart_rate", 104, 0.5),
        (18, "heart_rate", 98, 0.5),
        (0, "lactate", 2.8, 0.05),
        (6, "lactate", 2.0, 0.05),
        (0, "urine", 0.17, 0.005),
        (6, "urine", 0.63, 0.005),
        (18, "urine", 0.71, 0.005),
        (0, "creatinine", 1.06, 0.005),
        (6, "creatinine", 1.13, 0.005),
        (0, "spo2", 95.8, 0.05),
        (6, "spo2", 94.8, 0.05),
        (0, "film", 0.11, 0.005),
        (6, "film", 0.15, 0.005),
    ],
)
def test_medians_under_the_clinician(stays: Course, t: int, feature: str, wanted: float, rounding: float) -> None:
    state = stays.states[t]
    near_quantile(state.vitals[state.outcome == 0, SPEC.feature(feature)], 0.5, wanted, 2 * rounding)


@pytest.mark.parametrize(
    ("trait", "with_it", "without"),
    [
        (lambda s: recall(s.memory, "contractility") < 0.9, 38.4, 8.8),
        (lambda s: recall(s.memory, "arrhythmic") > 0, 25.2, 15.6),
        (lambda s: s.context[:, 2] > 0, 20.6, 17.9),
    ],
    ids=["fluid-intolerant", "arrhythmia-prone", "hypertensive"],
)
def test_traits_matter(stays: Course, trait: Callable[[PatientState], Tensor], with_it: float, without: float) -> None:
    has, dead = trait(stays.states[0]), 100.0 * (stays.outcome == DIED).double()
    near(dead[has], with_it, 0.05)
    near(dead[~has], without, 0.05)


def test_confounding_is_visible_in_the_raw_record(stays: Course) -> None:
    care = stays.in_care[:, :6]
    mean_dose = (stays.dose[:, :6, 1] * care).sum(1) / care.sum(1)
    fifths = mean_dose.argsort().chunk(5)
    dead = 100.0 * (stays.outcome == DIED).double()
    for rows, wanted in zip(fifths, (4.8, 7.6, 12.8, 20.7, 46.8), strict=True):
        near(dead[rows], wanted, 0.5)
