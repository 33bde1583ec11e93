"""How much of what a task asks for the records hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Trajectories
from .carry import valid_states
from .code_tally import CodeTally, CodeUse
from .ranges import Ints


@dataclass(frozen=True)
class FeatureCoverage:
    """How often a feature was measured, and what was thrown away."""

    name: str
    measured: float  # share of states with a measurement since the previous decision
    values: int  # numbers found in the stays and before them
    out_of_bounds: int  # of them, outside the physical bounds and dropped
    late: int = 0  # of them, known only at or after the decision whose state they entered


@dataclass(frozen=True)
class DrugCoverage:
    """How often a drug was given, and what had to be mended."""

    name: str
    given: float  # share of intervals with a dose above 0
    infusions: int
    clipped: int  # charted rates above the plausible, cut down to it
    unpaired: int  # starts without an end and ends without a start
    without_number: int  # dropped
    above_range: int  # intervals whose mean rate was cut to the drug's physical range


@dataclass(frozen=True)
class ContextCoverage:
    """For how many stays a context column is really known."""

    name: str
    known: float  # share of stays
    out_of_bounds: int


@dataclass(frozen=True)
class Coverage:
    """Coverage of features, drugs and context, in the order of the spec."""

    features: tuple[FeatureCoverage, ...]
    drugs: tuple[DrugCoverage, ...]
    context: tuple[ContextCoverage, ...]
    codes: tuple[CodeUse, ...] = ()  # every code met, and what became of it


@dataclass(frozen=True)
class Tally:
    """Counts of one part of a dataset, which add up to those of the whole."""

    flow: Ints  # (steps,) stays left after each step
    values: Ints  # (D, 3) numbers, of them out of bounds, and known too late
    drugs: Ints  # (U, 5) the counts of DrugCoverage, in its order
    context: Ints  # (C, 2) stays lacking it, numbers out of bounds
    codes: CodeTally

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def coverage(trajectories: Trajectories, tally: Tally, codes: tuple[CodeUse, ...]) -> Coverage:
    """Shares from the trajectories, counts from the tally; a derived feature has no numbers of its own."""
    spec, stays = trajectories.spec, max(len(trajectories), 1)
    states = max(int(valid_states(trajectories).sum()), 1)
    measured = trajectories.seen.sum((0, 1)).double() / states
    given = (trajectories.dose > 0).sum((0, 1)).double() / max(int(trajectories.mask.sum()), 1)
    derived = np.zeros((len(spec.features) - len(tally.values), 3), np.int64)
    values = np.concatenate((tally.values, derived))
    return Coverage(
        tuple(FeatureCoverage(f.name, float(measured[i]), *map(int, values[i])) for i, f in enumerate(spec.features)),
        tuple(DrugCoverage(d.name, float(given[i]), *map(int, tally.drugs[i])) for i, d in enumerate(spec.drugs)),
        tuple(
            ContextCoverage(c.name, 1 - int(lacking) / stays, int(outside))
            for c, (lacking, outside) in zip(spec.context, np.asarray(tally.context), strict=True)
        ),
        codes,
    )
