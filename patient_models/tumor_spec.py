"""What the tumour cohort records: neutrophils, what a CT shows of the lesion, lung inflammation, and two treatments.

Doses are per week: units of chemotherapy (see `tumor_marrow`), given one a day from the first day on, and Gy of
radiotherapy in five equal fractions on weekdays. Bounds, reference ranges, ages and levels are design choices.
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec
from .tumor_population import STAGES

DAY = 24.0  # hours
WEEK = 7 * DAY
VISIBLE = 0.01  # cm3: less is reported as this much
_OLD = 26 * WEEK

FEATURES = (
    Feature("neutrophils", "10^9/L", 0.001, 100.0, (0.5, 6.0), scale="log", max_age=4 * WEEK, label="Neutrophils"),
    Feature("volume", "cm3", VISIBLE, 3000.0, (1.0, 400.0), scale="log", max_age=_OLD, label="Tumour volume on CT"),
    Feature("diameter", "cm", 0.0, 25.0, (1.0, 11.0), max_age=_OLD, label="Longest diameter on CT"),
    Feature(
        "pneumonitis",
        "",
        0.0,
        1.0,
        (0.0, 1.0),
        scale="category",
        max_age=4 * WEEK,
        levels=("no", "yes"),
        label="Symptomatic radiation pneumonitis",
    ),
)
CONTEXT = (
    Feature("age", "years", 18.0, 110.0, (55.0, 77.0), label="Age"),
    Feature("stage", "number", 1.0, 5.0, (1.0, 5.0), label=f"Stage: 1 to 5 for {', '.join(STAGES)}"),
    Feature("type", "number", 1.0, 3.0, (1.0, 3.0), label="Type: 1 responds to radiotherapy, 3 to chemotherapy"),
)
DRUGS = (
    Drug("chemotherapy", "units/week", 3.5, (0.0, 0.5, 1.0, 1.5, 2.5), (0.25, 0.75, 1.25, 2.0), "Chemotherapy"),
    Drug("radiotherapy", "Gy/week", 15.0, (0.0, 10.0), (5.0,), "Radiotherapy"),
)
SPEC = Spec(FEATURES, DRUGS, CONTEXT, outcomes=("in care", "cured", "died"))
