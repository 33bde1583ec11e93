"""The section of a report on how stays differ under a policy: the worst, the usual and the best, not the mean alone."""

from __future__ import annotations

from typing import Literal

from .report_parts import Frozen, Interval, Number, Verdict

Measure = Literal["worst_tenth", "tenth", "median", "ninetieth", "deviation", "mortality"]
MEASURES: dict[Measure, str] = {
    "worst_tenth": "mean of the worst tenth of stays",
    "tenth": "a tenth of stays do no better than",
    "median": "half of stays do no better than",
    "ninetieth": "nine tenths of stays do no better than",
    "deviation": "standard deviation between stays",
    "mortality": "probability of death in care",
}


class Estimated(Frozen):
    """A number estimated from held-out stays by their weights."""

    value: Number
    low: Number
    high: Number
    verdict: Verdict
    reasons: tuple[str, ...] = ()  # beyond those of the policy's own estimate


class DistributionReport(Frozen):
    """How the stays of one policy differ: from records, and where they were simulated."""

    estimated: dict[Measure, Estimated] = {}
    simulated: dict[Measure, Interval] = {}  # in the known truth, else the learned simulator
    measured_in: str = ""  # where the latter: "known truth" or "learned simulator"
