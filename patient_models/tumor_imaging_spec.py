"""What the tumour cohort with images records: blood counts, and what an encoder reads in a CT scan.

The first features are those of `tumor_spec`, so that clinician, rule, limits and reward read either.
"""

from __future__ import annotations

import dataclasses

from ..contracts import Feature, Spec
from .tumor_spec import FEATURES, SPEC

EMBEDDING = 6  # columns
IMAGES = ("volume", "diameter")
_AGE = FEATURES[1].max_age

TOKEN = (
    Feature(
        "volume_spread",
        "",
        0.001,
        10.0,
        (0.05, 0.5),
        scale="log",
        max_age=_AGE,
        label="Predicted spread of log volume",
        source="image",
    ),
    *(
        Feature(
            f"image_{k}",
            "",
            -1.0,
            1.0,
            (-1.0, 1.0),
            max_age=_AGE,
            label=f"Embedding of the scan, {k}",
            source="image",
        )
        for k in range(1, EMBEDDING + 1)
    ),
)
_READ = tuple(dataclasses.replace(f, source="image") if f.name in IMAGES else f for f in FEATURES)
IMAGING_SPEC = Spec((*_READ, *TOKEN), SPEC.drugs, SPEC.context, SPEC.outcomes)
"""Values, then their ages and whether they are fresh: with those of volume, the whole state token of a scan."""
