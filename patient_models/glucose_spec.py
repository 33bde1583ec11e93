"""What the diabetes cohort records: glucose sensor, announced meals, insulin on board, and two ways to give insulin.

Basal insulin is given relative to the patient's usual rate, as pumps do; a bolus in U/kg, written as a mean rate over
the decision's interval. Reference ranges and levels are design choices, not recommendations.
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec

MINUTE = 1 / 60  # hours
BOLUS_LEVELS = (0.0, 0.025, 0.05, 0.10, 0.15)  # U/kg
BOLUS_CUTS = (0.0125, 0.035, 0.07, 0.12)  # U/kg
LARGEST_BOLUS = 1.0  # U/kg
_CARRIED = 1.0  # hours

FEATURES = (
    Feature("cgm", "mg/dL", 39.0, 600.0, (70.0, 180.0), scale="log", max_age=_CARRIED, label="Sensor glucose"),
    Feature("trend", "mg/dL/min", -20.0, 20.0, (-2.0, 2.0), max_age=_CARRIED, label="Sensor trend"),
    Feature("meal", "g", 0.0, 500.0, (0.0, 80.0), max_age=24.0, label="Announced carbohydrates"),
    Feature("insulin_on_board", "U/kg", 0.0, 20.0, (0.0, 0.10), max_age=24.0, label="Bolus insulin on board"),
)
CONTEXT = (
    Feature("age", "years", 2.0, 100.0, (8.0, 60.0), label="Age"),
    Feature("weight", "kg", 10.0, 200.0, (30.0, 100.0), label="Body weight"),
    Feature("carb_ratio", "g/U", 1.0, 100.0, (5.0, 25.0), scale="log", label="Carbohydrate ratio"),
    Feature("correction_factor", "mg/dL/U", 1.0, 200.0, (8.0, 40.0), scale="log", label="Correction factor"),
    Feature("usual_basal", "U/h", 0.05, 10.0, (0.3, 1.5), scale="log", label="Usual basal rate"),
    Feature("daily_insulin", "U/day", 1.0, 300.0, (17.0, 65.0), scale="log", label="Total daily insulin"),
)
OUTCOMES = ("in care", "pump stopped", "glucose beyond 10 to 600 mg/dL")
BASAL = Drug("basal", "x usual", 10.0, (0.0, 0.5, 1.0, 1.5, 2.0), (0.25, 0.75, 1.25, 1.75), "Basal insulin")


def glucose_spec(interval_hours: float) -> Spec:
    """The spec for decisions every `interval_hours`, on which the bolus levels, written as rates, depend."""
    bolus = Drug(
        "bolus",
        "U/kg/h",
        LARGEST_BOLUS / interval_hours,
        tuple(level / interval_hours for level in BOLUS_LEVELS),
        tuple(cut / interval_hours for cut in BOLUS_CUTS),
        "Bolus insulin",
    )
    return Spec(FEATURES, (BASAL, bolus), CONTEXT, OUTCOMES)
