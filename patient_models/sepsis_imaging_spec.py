"""What the sepsis cohort with images records: as `sepsis_spec`, the film's opacity being what a network reads in it.

The first features are those of `sepsis_spec`, so that clinician, rules and limits read either.
"""

from __future__ import annotations

import dataclasses

from ..contracts import Feature, Spec
from .sepsis_spec import FEATURES, SPEC

EMBEDDING = 4  # columns
_AGE = FEATURES[SPEC.feature("film")].max_age

TOKEN = (
    Feature(
        "film_spread",
        "fraction",
        0.001,
        1.0,
        (0.01, 0.1),
        scale="log",
        max_age=_AGE,
        label="Predicted spread of the opacity",
        source="image",
    ),
    *(
        Feature(
            f"film_{k}",
            "",
            -1.0,
            1.0,
            (-1.0, 1.0),
            max_age=_AGE,
            label=f"Embedding of the film, {k}",
            source="image",
        )
        for k in range(1, EMBEDDING + 1)
    ),
)
_READ = tuple(dataclasses.replace(f, source="image") if f.name == "film" else f for f in FEATURES)
IMAGING_SPEC = Spec((*_READ, *TOKEN), SPEC.drugs, SPEC.context, SPEC.outcomes)
"""Values, then their ages and whether they are fresh: with those of the film, the whole state token of a film."""
