"""The part of a task file that describes drugs: which items count, in which unit, and how they are charted."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from .quantities import Part

Charting = Literal["rate", "amount", "rows", "bolus"]


class ItemRule(Part):
    """One item of a drug: its factor to the drug's unit, and its highest plausible charted rate."""

    by: Charting | None = None  # as the drug, unless it says otherwise
    factor: float = Field(1.0, gt=0, allow_inf_nan=False)
    max_rate: float | None = Field(None, gt=0)  # in the item's own unit, of a bolus its amount; higher ones are clipped
    per: str | None = None  # name of the context column that the rate is divided by, say weight
    group: str = ""  # rows of one group end each other; else items that differ in their last part (the unit) do
    drop: Literal["rows", "sites"] | None = None  # its numbers cannot be used: leave out the rows, or their sites

    def ends(self, item: str) -> str:
        """The group of rows that end each other."""
        return self.group or item.rpartition("//")[0] or item


class DrugRule(Part):
    """A drug: infusions and boluses of its items, by how they are charted.

    rate    an infusion has a start with its rate, and an end
    amount  an infusion has a start, and an end with the amount given since
    rows    each row is a rate until the next row of its group; 0 is off; there is no end
    bolus   each row is an amount given at once
    """

    label: str = ""
    unit: str
    high: float = Field(gt=0, allow_inf_nan=False)
    levels: tuple[float, ...]
    cuts: tuple[float, ...]
    by: Charting
    items: dict[str, ItemRule] = Field(min_length=1)
    start: str = "INFUSION_START//{item}"
    end: str = "INFUSION_END//{item}"
    code: str = "{item}"  # of rows and boluses
    open_hours: float = Field(4.0, gt=0, allow_inf_nan=False)  # how long a rate without an end runs, at most

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        if not self.levels or len(self.cuts) != len(self.levels) - 1 or self.levels[0] != 0:
            raise ValueError(f"expected levels from 0 and one cut fewer, got {self.levels} and {self.cuts}")
        if list(self.cuts) != sorted(set(self.cuts)) or list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"expected rising levels and cuts, got {self.levels} and {self.cuts}")
        own = [sum(level > cut for cut in self.cuts) for level in self.levels]
        if own != list(range(len(self.levels))) or self.levels[-1] > self.high:
            raise ValueError(f"expected one level between cuts, up to {self.high}, got {self.levels} and {self.cuts}")
        if "{item}" not in self.start or "{item}" not in self.end or "{item}" not in self.code:
            raise ValueError(
                f"expected {{item}} in start, end and code, got {self.start!r}, {self.end!r}, {self.code!r}"
            )
        return self

    def by_of(self, item: str) -> Charting:
        """How an item is charted."""
        return self.items[item].by or self.by

    def starts(self, item: str) -> str:
        """Pattern of the start of an infusion of this item, or of its rows."""
        template = self.start if self.by_of(item) in ("rate", "amount") else self.code
        return template.replace("{item}", item)

    def ends(self, item: str) -> str | None:
        """Pattern of the end of an infusion of this item; None where there is none."""
        return self.end.replace("{item}", item) if self.by_of(item) in ("rate", "amount") else None

    def patterns(self, item: str) -> list[str]:
        """Every code pattern of an item."""
        return [pattern for pattern in (self.starts(item), self.ends(item)) if pattern is not None]
