"""What the HIV cohort records: CD4 count, viral load, cytotoxic T cells, adherence, and two drug classes on or off.

Doses are efficacies, as in Adams et al. (2004): reverse transcriptase inhibitors up to .7, protease inhibitors up to
.3. Reference ranges and ages are design choices.
"""

from __future__ import annotations

from ..contracts import Drug, Feature, Spec

DAY = 24.0  # hours
REVERSE_TRANSCRIPTASE, PROTEASE = 0.7, 0.3  # highest efficacies
DETECTION_LIMIT = 20.0  # copies/mL, of the viral-load assay

FEATURES = (
    Feature("cd4", "cells/uL", 0.1, 10_000.0, (200.0, 900.0), scale="log", max_age=60 * DAY, label="CD4 count"),
    Feature(
        "viral_load",
        "copies/mL",
        DETECTION_LIMIT,
        1e9,
        (100.0, 100_000.0),
        scale="log",
        max_age=60 * DAY,
        label="Viral load",
    ),
    Feature(
        "cytotoxic",
        "cells/mL",
        0.01,
        1e9,
        (20.0, 200_000.0),
        scale="log",
        max_age=120 * DAY,
        label="HIV-specific cytotoxic T cells",
    ),
)
CONTEXT = (Feature("adherence", "fraction", 0.0, 1.0, (0.7, 1.0), label="Adherence to tablets"),)
DRUGS = (
    Drug(
        "reverse_transcriptase_inhibitor",
        "efficacy",
        REVERSE_TRANSCRIPTASE,
        (0.0, REVERSE_TRANSCRIPTASE),
        (REVERSE_TRANSCRIPTASE / 2,),
        "Reverse transcriptase inhibitors",
    ),
    Drug("protease_inhibitor", "efficacy", PROTEASE, (0.0, PROTEASE), (PROTEASE / 2,), "Protease inhibitors"),
)
SPEC = Spec(FEATURES, DRUGS, CONTEXT)
