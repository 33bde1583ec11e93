"""What a task is: which codes become features, drugs, context, cohort and outcome; `task_file.py` reads one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..contracts import Drug, Feature, Spec
from .codes import check_pattern, covers


class _Part(BaseModel):
    """A piece of a task file: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conversion(_Part):
    """How the number of a code becomes the feature's unit: factor x number + offset."""

    factor: float = 1.0
    offset: float = 0.0


def _with_conversions(codes: object) -> object:
    """A plain list of codes needs no conversion."""
    return {str(code): {} for code in codes} if isinstance(codes, list) else codes


Pattern = Annotated[str, BeforeValidator(check_pattern)]  # a code, or the beginning of codes followed by *
Codes = Annotated[dict[Pattern, Conversion], BeforeValidator(_with_conversions)]
Aggregation = Literal["last", "mean", "min", "max", "sum", "rate"]


class Quantity(_Part):
    """What features and context columns share: the codes of a number, and its description."""

    label: str = ""
    unit: str = ""
    codes: Codes
    delay: float = Field(0.0, ge=0)  # hours from the time stamp, say of a blood sample, until its result is known
    low: float
    high: float
    reference: tuple[float, float]
    scale: Literal["linear", "log", "category"] = "linear"
    levels: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        first, last = self.reference
        if not self.low <= first <= last <= self.high or self.low >= self.high:
            raise ValueError(f"expected low <= reference <= high, got {self.low}, {self.reference}, {self.high}")
        return self

    def feature(self, name: str, max_age: float) -> Feature:
        """The contract's description of this quantity."""
        return Feature(
            name, self.unit, self.low, self.high, self.reference, self.scale, max_age, self.levels, self.label
        )


class FeatureRule(Quantity):
    """A feature: the numbers of its codes between two decisions, aggregated; carried for `max_age` hours."""

    aggregation: Aggregation = "last"  # rate: the sum divided by the hours between the decisions
    max_age: float = Field(48.0, gt=0)


class ContextRule(Quantity):
    """A column known at time zero: years since a code, a code's last value, or whether a code is present."""

    kind: Literal["years", "value", "presence"]
    max_age: float = Field(24.0 * 365, gt=0)  # hours that a value is looked for before time zero


class ItemRule(_Part):
    """One infusion item of a drug: its factor to the drug's unit, and its highest plausible charted rate."""

    factor: float = Field(1.0, gt=0)
    max_rate: float | None = Field(None, gt=0)  # in the item's own unit; higher rates are clipped to it


class DrugRule(_Part):
    """A drug: infusions with a rate at their start, or with an amount at their end."""

    label: str = ""
    unit: str
    high: float = Field(gt=0)
    levels: tuple[float, ...]
    cuts: tuple[float, ...]
    by: Literal["rate", "amount"]
    items: dict[str, ItemRule]
    start: str = "INFUSION_START//{item}"
    end: str = "INFUSION_END//{item}"
    open_hours: float = Field(4.0, gt=0)  # how long an infusion without a charted end is taken to run, at most

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        if len(self.cuts) != len(self.levels) - 1 or self.levels[0] != 0:
            raise ValueError(f"expected levels from 0 and one cut fewer, got {self.levels} and {self.cuts}")
        if list(self.cuts) != sorted(set(self.cuts)) or list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"expected rising levels and cuts, got {self.levels} and {self.cuts}")
        own = [sum(level > cut for cut in self.cuts) for level in self.levels]
        if own != list(range(len(self.levels))) or self.levels[-1] > self.high:
            raise ValueError(f"expected one level between cuts, up to {self.high}, got {self.levels} and {self.cuts}")
        if "{item}" not in self.start or "{item}" not in self.end:
            raise ValueError(f"expected {{item}} in start and end, got {self.start!r} and {self.end!r}")
        return self

    def starts(self, item: str) -> str:
        """Code of the start of an infusion of this item."""
        return self.start.format(item=item)

    def ends(self, item: str) -> str:
        """Code of the end of an infusion of this item."""
        return self.end.format(item=item)


class Sign(_Part):
    """An event that counts: one of the codes, and where a threshold is set, a number beyond it."""

    codes: tuple[Pattern, ...]
    delay: float = Field(0.0, ge=0)  # hours from the time stamp until it is known
    above: float | None = None
    below: float | None = None


class Condition(_Part):
    """Something that must have happened by time zero: any one sign, known within hours of the anchor."""

    label: str
    hours: tuple[float, float]  # of the anchor: negative is before it
    any: tuple[Sign, ...]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hours[0] >= self.hours[1] or not self.any:
            raise ValueError(f"expected rising hours and at least one sign, got {self.hours} and {len(self.any)} signs")
        return self


class Cohort(_Part):
    """Whom the task is about. Time zero is one second after the anchor and every condition have happened."""

    label: str = "stays"
    anchor: tuple[Pattern, ...]
    birth: tuple[Pattern, ...] = ("MEDS_BIRTH",)
    min_age: float | None = None  # years at time zero
    conditions: tuple[Condition, ...] = ()


class Outcome(_Part):
    """How a stay ends: the first of these codes after the anchor."""

    discharged: tuple[Pattern, ...]
    died: tuple[Pattern, ...]
    died_within: float = Field(0.0, ge=0)  # hours after the end of the stay that a death still counts as its outcome
    censored: tuple[Pattern, ...] = ()
    names: tuple[str, ...] = Spec.outcomes  # of still being in care, and of the first two


class DecisionRule(_Part):
    """Decisions at natural times: at events such as visits, or whenever the dose of a drug changed.

    The first is at time zero. A later one waits for `least` hours since the last, and is taken `greatest` hours after
    it even where nothing happened.
    """

    at: tuple[Pattern, ...] = ()
    delay: float = Field(0.0, ge=0)  # hours from the event until the decision, say until a result is in
    when: Literal["dose change"] | None = None
    least: float = Field(0.0, ge=0)
    greatest: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.at) == (self.when is not None):
            raise ValueError("expected either at: [codes], or when: dose change")
        if self.greatest is not None and self.greatest <= self.least:
            raise ValueError(f"expected least < greatest hours, got {self.least:g} and {self.greatest:g}")
        if self.when and self.delay:
            raise ValueError("a delay goes with at: [codes]; leave it out")
        return self


class Task(_Part):
    """A whole task. The spec, and with it every environment and model, derives from it."""

    name: str
    description: str = ""
    interval: float = Field(gt=0)  # hours between decisions; with `decisions`, of the window before the first one
    decisions: DecisionRule | None = None  # None: every `interval` hours
    horizon: int = Field(gt=0)  # decisions at most
    cohort: Cohort
    outcome: Outcome
    features: dict[str, FeatureRule]
    drugs: dict[str, DrugRule]
    context: dict[str, ContextRule] = {}

    @model_validator(mode="after")
    def _no_dose_in_the_state(self) -> Self:
        """The dose of an interval must never enter the state that decides on it."""
        doses = {code for d in self.drugs.values() for i in d.items for code in (d.starts(i), d.ends(i))}
        for name, rule in {**self.features, **self.context}.items():
            shared = [p for p in rule.codes for dose in doses if covers(p, dose)]
            if shared:
                raise ValueError(
                    f"{name} reads the infusion code {shared[0]!r} of a drug: doses must stay out of states"
                )
        return self

    @property
    def spec(self) -> Spec:
        """What patients of this task are described by."""
        return Spec(
            features=tuple(rule.feature(name, rule.max_age) for name, rule in self.features.items()),
            drugs=tuple(Drug(n, d.unit, d.high, d.levels, d.cuts, d.label) for n, d in self.drugs.items()),
            context=tuple(rule.feature(name, Feature.max_age) for name, rule in self.context.items()),
            outcomes=self.outcome.names,
        )
