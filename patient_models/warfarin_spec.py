"""What the anticoagulation clinic records: INR, diet, the person, genotypes where known; warfarin in mg a day.

Reference ranges, ages and levels are design choices, not recommendations.
"""

from __future__ import annotations

import functools

from ..contracts import Drug, Feature, Spec

DAY = 24.0  # hours
LOW, HIGH = 2.0, 3.0  # the therapeutic range of the INR
TARGET = 2.5
DIET_MEAN, DIET_SD = 5.0, 1.5  # of the diet score
SHOWN_DIET = 0.7  # its correlation with what EC50 feels of the diet
ANCESTRY = ("white", "asian", "black")
CYP2C9 = ("*1/*1", "*1/*2", "*1/*3", "*2/*2", "*2/*3", "*3/*3")
VKORC1 = ("G/G", "A/G", "A/A")  # -1639 (rs9923231): the number of A alleles
OUTCOMES = ("in care", "major bleeding", "thromboembolism")  # both end the course: codes 1 and 2

FEATURES = (
    Feature("inr", "", 0.5, 30.0, (LOW, HIGH), scale="log", max_age=60 * DAY, label="INR"),
    Feature("vitamin_k", "points", 0.0, 10.0, (3.5, 6.5), max_age=60 * DAY, label="Vitamin K intake (diet score)"),
)
_NO_YES = ("no", "yes")
PERSON = (
    Feature("age", "years", 18.0, 120.0, (50.0, 85.0), label="Age"),
    Feature("weight", "kg", 25.0, 250.0, (60.0, 100.0), label="Body weight"),
    Feature("height", "cm", 120.0, 220.0, (158.0, 182.0), label="Height"),
    Feature("ancestry", "", 0.0, 2.0, (0.0, 2.0), scale="category", levels=ANCESTRY, label="Ancestry"),
    Feature("amiodarone", "", 0.0, 1.0, (0.0, 1.0), scale="category", levels=_NO_YES, label="Takes amiodarone"),
    Feature("inducer", "", 0.0, 1.0, (0.0, 1.0), scale="category", levels=_NO_YES, label="Takes an enzyme inducer"),
)
GENOTYPE = (
    Feature("cyp2c9", "", 0.0, 5.0, (0.0, 5.0), scale="category", levels=CYP2C9, label="CYP2C9 genotype"),
    Feature("vkorc1", "", 0.0, 2.0, (0.0, 2.0), scale="category", levels=VKORC1, label="VKORC1 -1639 genotype"),
)
LEVELS = (0.0, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0)
"""mg a day: from 1 mg on, the next level is never more than a quarter away."""

WARFARIN = Drug(
    "warfarin",
    "mg/d",
    30.0,
    LEVELS,
    (0.5, *((a + b) / 2 for a, b in zip(LEVELS[1:], LEVELS[2:], strict=False))),
    "Warfarin",
)
REVIEW = Drug("review", "days", 28.0, (0.0, 3.0, 7.0, 14.0, 28.0), (1.5, 5.0, 10.5, 21.0), "Days to the next visit")
"""A visit ordered along with the dose; 0 leaves it to the clinic's rule."""


@functools.cache
def warfarin_spec(genotype: bool = True, review: bool = False) -> Spec:
    """The spec with or without genotypes in the record, and with the next visit as a second thing to decide on."""
    drugs = (WARFARIN, REVIEW) if review else (WARFARIN,)
    return Spec(FEATURES, drugs, (*PERSON, *GENOTYPE) if genotype else PERSON, OUTCOMES)


SPEC = warfarin_spec()
INR, VITAMIN_K = SPEC.feature("inr"), SPEC.feature("vitamin_k")
