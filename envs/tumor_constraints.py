"""Hard limits of chemoradiation: no chemotherapy on few neutrophils, and no radiotherapy beyond a course."""

from __future__ import annotations

from ..contracts import Spec
from .course_limit import CourseLimit
from .withheld import Withheld

LEAST_NEUTROPHILS = 1.5  # 10^9/L, the usual condition of the next dose
COURSE_GRAY = 66.0
WEEK = 168.0  # hours


def tumor_limits(spec: Spec, interval_hours: float = WEEK) -> tuple[Withheld | CourseLimit, ...]:
    """Chemotherapy only with neutrophils of at least 1.5e9/L; radiotherapy up to 66 Gy in all.

    For any spec with `chemotherapy`, `radiotherapy` (Gy/week) and `neutrophils`; KeyError where one is missing.
    """
    return (
        Withheld(
            "chemotherapy on few neutrophils",
            spec.feature("neutrophils"),
            LEAST_NEUTROPHILS,
            spec.drug("chemotherapy"),
            "units/week",
        ),
        CourseLimit("radiotherapy course", spec.drug("radiotherapy"), COURSE_GRAY, "Gy", WEEK),
    )
