"""The parts of a task file that say whom it is about, when decisions are taken, and how a stay ends."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ..contracts import Spec
from .quantities import Part, Pattern


class Sign(Part):
    """An event that counts: one of the codes, and where a threshold is set, a number beyond it."""

    codes: tuple[Pattern, ...] = Field(min_length=1)
    delay: float = Field(0.0, ge=0, allow_inf_nan=False)  # hours from the time stamp until it is known
    above: float | None = None
    below: float | None = None


class Condition(Part):
    """Something that must have happened by time zero: any one sign, known within hours of the anchor."""

    label: str
    hours: tuple[float, float]  # of the anchor: negative is before it
    any: tuple[Sign, ...]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.hours[0] < self.hours[1] or not self.any:
            raise ValueError(f"expected rising hours and at least one sign, got {self.hours} and {len(self.any)} signs")
        return self


class SiteRule(Part):
    """Where a stay took place: an extra column of the dataset at the anchor, or the last part of a code."""

    column: str | None = None
    codes: tuple[Pattern, ...] = ()  # the last of these before time zero, say HOSPITAL//*

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.codes) == (self.column is not None):
            raise ValueError("expected either column: name, or codes: [patterns]")
        return self


class Cohort(Part):
    """Whom the task is about. Time zero is one second after the anchor and every condition have happened."""

    label: str = "stays"
    anchor: tuple[Pattern, ...] = Field(min_length=1)
    birth: tuple[Pattern, ...] = ("MEDS_BIRTH",)
    min_age: float | None = None  # years at time zero
    stays: Literal["all", "first"] = "all"  # first: the first anchor on record of each patient
    min_gap: float | None = Field(None, gt=0)  # hours since the patient's last stay ended
    site: SiteRule | None = None
    conditions: tuple[Condition, ...] = ()


class Outcome(Part):
    """How a stay ends: the first of these codes after the anchor."""

    discharged: tuple[Pattern, ...]
    died: tuple[Pattern, ...]
    died_within: float = Field(0.0, ge=0)  # hours after the end of the stay that a death still counts as its outcome
    window: float | None = Field(None, gt=0)  # instead: hours after time zero in which a death counts, wherever it was
    censored: tuple[Pattern, ...] = ()
    names: tuple[str, ...] = Spec.outcomes  # of still being in care, and of the first two
    unended: Literal["drop", "censor"] = "drop"  # a stay without any of these codes; censor: at the last event read

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.window is not None and self.died_within:
            raise ValueError("expected either died_within or window, got both")
        return self


class DecisionRule(Part):
    """Decisions at natural times: at events such as visits, or whenever the dose of a drug changed.

    The first is at time zero. A later one waits for `least` hours since the last, and is taken `greatest` hours after
    it even where nothing happened.
    """

    at: tuple[Pattern, ...] = ()
    delay: float = Field(0.0, ge=0)  # hours from the event until the decision, say until a result is in
    when: Literal["dose change"] | None = None
    least: float = Field(0.0, ge=0)
    greatest: float | None = Field(None, gt=0)
    rule: str | None = None  # of VISITS in envs: when learned patients are seen again; None: every `interval` hours

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.at) == (self.when is not None):
            raise ValueError("expected either at: [codes], or when: dose change")
        if self.greatest is not None and self.greatest <= self.least:
            raise ValueError(f"expected least < greatest hours, got {self.least:g} and {self.greatest:g}")
        if self.when and self.delay:
            raise ValueError("a delay goes with at: [codes]; leave it out")
        return self
