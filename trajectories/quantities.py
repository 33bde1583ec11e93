"""The parts of a task file that describe numbers: features, context columns, and features derived from others."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..contracts import Feature
from .codes import check_pattern


class Part(BaseModel):
    """A piece of a task file: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conversion(Part):
    """How the number of a code becomes the feature's unit: factor x number + offset; or that it is not to be used."""

    factor: float = Field(1.0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)
    drop: bool = False  # the code is known and left out, say for a unit that cannot be converted; it is counted


def _with_conversions(codes: object) -> object:
    """A plain list of codes needs no conversion."""
    return {str(code): {} for code in codes} if isinstance(codes, list) else codes


Pattern = Annotated[str, BeforeValidator(check_pattern)]  # a code, in which * means anything and {a,b} means a or b
Codes = Annotated[dict[Pattern, Conversion], BeforeValidator(_with_conversions), Field(min_length=1)]
Aggregation = Literal["last", "mean", "min", "max", "sum", "rate"]


class Described(Part):
    """What every number of a task has: a unit, physical bounds, and a reference range that scales it."""

    label: str = ""
    unit: str = ""
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    reference: tuple[float, float]
    scale: Literal["linear", "log", "category"] = "linear"
    levels: tuple[str, ...] = ()
    source: Literal["record", "image"] = "record"  # image: read in a scan by an encoder, which wrote the events

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        first, last = self.reference
        if not self.low <= first <= last <= self.high or self.low >= self.high:
            raise ValueError(f"expected low <= reference <= high, got {self.low}, {self.reference}, {self.high}")
        if self.scale == "log" and not 0 < first < last:
            raise ValueError(f"expected a positive, rising reference on a log scale, got {self.reference}")
        return self

    def feature(self, name: str, max_age: float) -> Feature:
        """The contract's description of this quantity."""
        return Feature(
            name,
            self.unit,
            self.low,
            self.high,
            self.reference,
            self.scale,
            max_age,
            self.levels,
            self.label,
            self.source,
        )


class Quantity(Described):
    """What features and context columns share: the codes of a number."""

    codes: Codes
    variants: tuple[Pattern, ...] = ()  # codes of the same thing: those not named in `codes` are counted as unknown
    delay: float = Field(0.0, ge=0, allow_inf_nan=False)  # hours from the time stamp until the result is known

    @property
    def used(self) -> dict[str, Conversion]:
        """The codes whose numbers count."""
        return {pattern: how for pattern, how in self.codes.items() if not how.drop}


class FeatureRule(Quantity):
    """A feature: the numbers of its codes between two decisions, aggregated; carried for `max_age` hours."""

    aggregation: Aggregation = "last"  # rate: the sum divided by the hours between the decisions
    overlap: Literal["pool", "first"] = "pool"  # first: of codes that repeat each other, the first that has a number
    max_age: float = Field(48.0, gt=0, allow_inf_nan=False)


class ContextRule(Quantity):
    """A column known at time zero: years since a code, a code's last value, or whether a code is present."""

    kind: Literal["years", "value", "presence"]
    max_age: float = Field(24.0 * 365, gt=0, allow_inf_nan=False)  # hours that a value is looked for before time zero


class DerivedRule(Described):
    """A feature computed from other features of the same state, see `derived.FORMULAS`."""

    formula: str
    of: tuple[str, ...]  # names of its inputs, in the formula's order
    max_age: float = Field(24.0, gt=0, allow_inf_nan=False)
