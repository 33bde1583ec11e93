"""What a task is: which codes become features, drugs, context, cohort and outcome; `task_file.py` reads one."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ..contracts import Drug, Feature, Spec
from .codes import covers, plain
from .cohort_rule import Cohort, DecisionRule, Outcome
from .derived import check_formula
from .drug_rule import DrugRule
from .quantities import ContextRule, DerivedRule, FeatureRule, Part


class Task(Part):
    """A whole task. The spec, and with it every environment and model, derives from it."""

    name: str
    description: str = ""
    interval: float = Field(gt=0, allow_inf_nan=False)  # hours between decisions; with `decisions`, before the first
    decisions: DecisionRule | None = None  # None: every `interval` hours
    horizon: int = Field(gt=0)  # decisions at most
    cohort: Cohort
    outcome: Outcome
    features: dict[str, FeatureRule] = Field(min_length=1)
    derived: dict[str, DerivedRule] = {}
    drugs: dict[str, DrugRule] = Field(min_length=1)
    context: dict[str, ContextRule] = {}

    @model_validator(mode="after")
    def _no_dose_in_the_state(self) -> Self:
        """The dose of an interval must never enter the state that decides on it."""
        doses = [pattern for d in self.drugs.values() for i in d.items for pattern in d.patterns(i)]
        exact, wide = {d for d in doses if plain(d)}, [d for d in doses if not plain(d)]
        for name, rule in {**self.features, **self.context}.items():
            for p in rule.codes:
                shared = p in exact or any(covers(d, p) for d in wide)
                if shared or (not plain(p) and any(covers(p, d) for d in doses)):
                    raise ValueError(f"{name} reads the infusion code {p!r} of a drug: doses must stay out of states")
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name, rule in self.derived.items():
            check_formula(name, rule, list(self.features))
        twice = {*self.features} & {*self.derived}
        if twice:
            raise ValueError(f"{min(twice)} is both a feature and derived; name it once")
        for name, drug in self.drugs.items():
            for item, how in drug.items.items():
                if how.per is not None and how.per not in self.context:
                    known = ", ".join(self.context) or "none"
                    raise ValueError(f"{name}: {item} is per {how.per!r}, which is no context column; known: {known}")
                if how.drop == "sites" and (self.cohort.site is None or self.cohort.site.column is None):
                    raise ValueError(f"{name}: {item} says drop: sites, which needs cohort.site.column")
        return self

    @property
    def spec(self) -> Spec:
        """What patients of this task are described by: features, then derived ones."""
        measured = [rule.feature(name, rule.max_age) for name, rule in self.features.items()]
        derived = [rule.feature(name, rule.max_age) for name, rule in self.derived.items()]
        return Spec(
            features=(*measured, *derived),
            drugs=tuple(Drug(n, d.unit, d.high, d.levels, d.cuts, d.label) for n, d in self.drugs.items()),
            context=tuple(rule.feature(name, Feature.max_age) for name, rule in self.context.items()),
            outcomes=self.outcome.names,
        )
