"""What the anaesthesia cohort records: bispectral index, arterial pressure, and what the pump predicts; one drug.

Reference ranges, ages and levels are design choices, not recommendations.
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec

SECOND = 1 / 3600  # hours
MINUTE = 1 / 60  # hours
_CARRIED = 15 * MINUTE

FEATURES = (
    Feature("bis", "", 0.0, 100.0, (40.0, 60.0), max_age=_CARRIED, label="Bispectral index"),
    Feature("map", "mmHg", 0.0, 300.0, (60.0, 100.0), max_age=_CARRIED, label="Mean arterial pressure"),
    Feature("effect_site", "ug/mL", 0.0, 200.0, (1.0, 5.0), max_age=_CARRIED, label="Effect site as the pump predicts"),
    Feature("plasma", "ug/mL", 0.0, 500.0, (1.0, 7.0), max_age=_CARRIED, label="Plasma as the pump predicts"),
)
CONTEXT = (
    Feature("age", "years", 18.0, 100.0, (30.0, 75.0), label="Age"),
    Feature("weight", "kg", 35.0, 200.0, (55.0, 95.0), label="Body weight"),
    Feature("height", "cm", 130.0, 220.0, (158.0, 184.0), label="Height"),
    Feature("male", "", 0.0, 1.0, (0.0, 1.0), scale="category", levels=("no", "yes"), label="Male"),
)
DRUGS = (
    Drug(
        "propofol",
        "mg/kg/h",
        300.0,
        (0.0, 3.0, 6.0, 9.0, 12.0, 20.0, 60.0, 120.0),
        (1.5, 4.5, 7.5, 10.5, 16.0, 35.0, 85.0),
        "Propofol",
    ),
)
SPEC = Spec(FEATURES, DRUGS, CONTEXT)
