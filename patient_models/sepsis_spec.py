"""What the built-in sepsis cohort records: vitals, laboratory values, chest film, and its two drugs in five levels.

Bounds are those of plausible charting, so that no simulated value falls outside; reference ranges scale a value to
about -1..1 over what is common in intensive care. The dose levels are the medians of the clinician's doses between
the cut points (design choices, not recommendations).
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec

_SLOW = 48.0  # hours a laboratory value or a film is carried forward
_FAST = 24.0  # hours a bedside value is carried forward

FEATURES = (
    Feature("map", "mmHg", 0.0, 300.0, (60.0, 90.0), max_age=_FAST, label="Mean arterial pressure"),
    Feature("heart_rate", "1/min", 0.0, 300.0, (70.0, 130.0), max_age=_FAST, label="Heart rate"),
    Feature("irregularity", "fraction", 0.0, 0.5, (0.05, 0.20), max_age=_FAST, label="RR-interval irregularity"),
    Feature("spo2", "%", 50.0, 100.0, (90.0, 99.0), max_age=_FAST, label="Oxygen saturation"),
    Feature("respiratory_rate", "1/min", 0.0, 80.0, (12.0, 30.0), max_age=_FAST, label="Respiratory rate"),
    Feature("temperature", "°C", 25.0, 45.0, (36.5, 39.0), max_age=_FAST, label="Temperature"),
    Feature("urine", "mL/kg/h", 0.0, 200.0, (0.2, 1.5), scale="log", max_age=_FAST, label="Urine output"),
    Feature("lactate", "mmol/L", 0.1, 40.0, (1.0, 5.0), scale="log", max_age=_SLOW, label="Lactate"),
    Feature("sofa", "points", 0.0, 24.0, (2.0, 10.0), max_age=_FAST, label="SOFA-like score"),
    Feature("creatinine", "mg/dL", 0.05, 30.0, (0.6, 2.4), scale="log", max_age=_SLOW, label="Creatinine"),
    Feature("wbc", "10^9/L", 0.1, 400.0, (4.0, 20.0), scale="log", max_age=_SLOW, label="White blood cells"),
    Feature("film", "fraction", 0.0, 1.0, (0.05, 0.50), max_age=_SLOW, label="Chest-film opacity"),
)
CONTEXT = (
    Feature("age", "years", 18.0, 120.0, (50.0, 80.0), label="Age"),
    Feature("weight", "kg", 20.0, 300.0, (60.0, 100.0), label="Body weight"),
    Feature(
        "hypertension", "", 0.0, 1.0, (0.0, 1.0), scale="category", levels=("no", "yes"), label="Chronic hypertension"
    ),
    Feature("saps", "points", 0.0, 163.0, (35.0, 61.0), label="SAPS II"),
)
DRUGS = (
    Drug("fluid", "mL/h", 8000.0, (0.0, 37.5, 150.0, 375.0, 650.0), (12.5, 75.0, 250.0, 500.0), "Intravenous fluid"),
    Drug("norepinephrine", "ug/kg/min", 2.0, (0.0, 0.03, 0.07, 0.14, 0.30), (0.0, 0.05, 0.10, 0.20), "Norepinephrine"),
)
SPEC = Spec(FEATURES, DRUGS, CONTEXT)
