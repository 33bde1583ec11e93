"""What ICU-Sepsis records: the 47 standardised measurements that its states are clusters of, or the state's number.

Choudhary, Gupta & Thomas (2024), "ICU-Sepsis: A benchmark MDP built from real medical data", arXiv 2406.05646. The
order of the columns is that of their published builder (`create_rl_table.py` in github.com/icu-sepsis/icu-sepsis);
the columns are those of Komorowski et al. (2018), Nature Medicine 24:1716. Three kinds: yes or no minus one half,
standard deviations from the mean, standard deviations of the logarithm. Two of them, the vasopressor and the fluid of
the same four hours, say what is being given, so a state half knows the action: one reason why doses matter little here.
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec

HOURS = 4.0  # between decisions
STATES = 713  # in care; the package adds death, survival and what lies beyond them
LEVELS = (0.0, 1.0, 2.0, 3.0, 4.0)
WIDEST = 20.0  # bound of every column

_BINARY = (
    ("gender", "Gender"),
    ("ventilated", "Mechanical ventilation"),
    ("vasopressor", "Vasopressor given"),
    ("readmission", "Readmission (plus .6)"),
)
_LINEAR = (
    ("age", "Age"),
    ("weight", "Weight"),
    ("gcs", "Glasgow coma scale"),
    ("heart_rate", "Heart rate"),
    ("systolic", "Systolic pressure"),
    ("map", "Mean arterial pressure"),
    ("diastolic", "Diastolic pressure"),
    ("respiratory_rate", "Respiratory rate"),
    ("temperature", "Temperature"),
    ("fio2", "Inspired oxygen"),
    ("potassium", "Potassium"),
    ("sodium", "Sodium"),
    ("chloride", "Chloride"),
    ("glucose", "Glucose"),
    ("magnesium", "Magnesium"),
    ("calcium", "Calcium"),
    ("hemoglobin", "Hemoglobin"),
    ("wbc", "White blood cells"),
    ("platelets", "Platelets"),
    ("ptt", "Partial thromboplastin time"),
    ("pt", "Prothrombin time"),
    ("ph", "Arterial pH"),
    ("pao2", "Arterial oxygen tension"),
    ("paco2", "Arterial carbon dioxide tension"),
    ("base_excess", "Base excess"),
    ("bicarbonate", "Bicarbonate"),
    ("lactate", "Arterial lactate"),
    ("sofa", "SOFA score"),
    ("sirs", "SIRS score"),
    ("shock_index", "Shock index"),
    ("oxygenation", "PaO2 over FiO2"),
    ("balance", "Cumulated fluid balance"),
)
_LOGARITHMIC = (
    ("spo2", "Oxygen saturation"),
    ("urea_nitrogen", "Blood urea nitrogen"),
    ("creatinine", "Creatinine"),
    ("ast", "Aspartate transaminase"),
    ("alt", "Alanine transaminase"),
    ("bilirubin", "Total bilirubin"),
    ("inr", "International normalised ratio (twice)"),
    ("input_total", "Fluid given so far"),
    ("input_recent", "Fluid of these four hours"),
    ("output_total", "Urine so far"),
    ("output_recent", "Urine of these four hours"),
)


def _columns(names: tuple[tuple[str, str], ...], unit: str, half: float) -> tuple[Feature, ...]:
    return tuple(
        Feature(name, unit, -WIDEST, WIDEST, (-half, half), max_age=24.0, label=label) for name, label in names
    )


FEATURES = (
    *_columns(_BINARY, "share - 0.5", 0.5),
    *_columns(_LINEAR, "SD", 1.0),
    *_columns(_LOGARITHMIC, "SD of log", 1.0),
)
NUMBER = Feature(
    "state",
    "",
    0.0,
    STATES - 1.0,
    (0.0, STATES - 1.0),
    scale="category",
    max_age=24.0,
    levels=tuple(f"cluster {i}" for i in range(STATES)),
    label="State",
)
DRUGS = (
    Drug("fluid", "level", LEVELS[-1], LEVELS, (0.5, 1.5, 2.5, 3.5), "Intravenous fluid"),
    Drug("vasopressor", "level", LEVELS[-1], LEVELS, (0.5, 1.5, 2.5, 3.5), "Vasopressor"),
)
SPEC = Spec(FEATURES, DRUGS)
NUMBERED = Spec((NUMBER,), DRUGS)
