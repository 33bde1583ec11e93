"""How numbers read on a page: one place for signs, units, precision and what is shown for "none"."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .report import Estimand, Interval

NONE = "–"
MINUS = "−"
NARROW = "\u202f"  # narrow no-break space, before % and between thousands


def number(value: float | None, digits: int | None = None) -> str:
    """A plain number: fixed `digits`, or about three significant ones."""
    if value is None:
        return NONE
    if digits is None:
        size = abs(value)
        digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
        if 0 < size < 0.0005:
            return f"{value:.0e}".replace("-", MINUS)
    text = f"{value:,.{digits}f}".replace(",", NARROW)
    if float(f"{value:.{digits}f}") == 0:  # no "-0.0"
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return number(value, 0)


def sample(size: float | None) -> str:
    """An effective sample size: whole, a tenth where it is small."""
    return number(size, 1 if size is not None and size < 10 else 0)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; a tiny one says that it is not zero."""
    if share is None:
        return NONE
    smallest = 10**-digits
    if 0 < abs(share * 100) < smallest / 2:
        return f"<{NARROW}{number(smallest, digits)}{NARROW}%"
    return f"{number(share * 100, digits)}{NARROW}%"


def plain(value: float) -> str:
    """A setting as it was written: 0.07, 37.5, 650."""
    return f"{value:.10g}".replace("-", MINUS)


def like(value: float | None, sd: float | None) -> str:
    """A number with the digits that its standard deviation deserves: two of the deviation's own."""
    if not sd:
        return number(value)
    return number(value, min(max(1 - math.floor(math.log10(abs(sd))), 0), 4))


def percent_range(low: float | None, high: float | None) -> str:
    """An interval of shares, e.g. "2.5 to 4.0 %"."""
    if low is None or high is None:
        return NONE
    return f"{number(low * 100, 1)} to {number(high * 100, 1)}{NARROW}%"


def signed(value: float | None, digits: int | None = None) -> str:
    """A number with its sign."""
    text = number(value, digits)
    return (
        f"+{text}"
        if value is not None and value > 0 and float(f"{value:.{3 if digits is None else digits}f}") != 0
        else text
    )


@dataclass(frozen=True)
class Values:
    """How the values of one estimand read: as percentages where they are probabilities, else as plain numbers."""

    name: str
    percent: bool

    @classmethod
    def of(cls, estimand: Estimand) -> Values:
        return cls(estimand.value_name, estimand.percent)

    @property
    def _scale(self) -> float:
        return 100.0 if self.percent else 1.0

    @property
    def _digits(self) -> int:
        return 1 if self.percent else 3

    @property
    def unit(self) -> str:
        """What follows a number: "%" or nothing."""
        return f"{NARROW}%" if self.percent else ""

    def value(self, value: float | None) -> str:
        """E.g. "81.2 %"."""
        return NONE if value is None else number(value * self._scale, self._digits) + self.unit

    def range(self, low: float | None, high: float | None) -> str:
        """A 95 % interval, e.g. "80.4 to 82.0 %"."""
        if low is None or high is None:
            return NONE
        return f"{number(low * self._scale, self._digits)} to {number(high * self._scale, self._digits)}{self.unit}"

    def whole(self, interval: Interval | None) -> str:
        """Value and interval, e.g. "81.2 % (80.4 to 82.0)"."""
        if interval is None or interval.value is None:
            return NONE
        if interval.low is None or interval.high is None:
            return self.value(interval.value)
        return f"{self.value(interval.value)} ({self.range(interval.low, interval.high).removesuffix(self.unit)})"

    def signed(self, difference: float | None) -> str:
        """A difference without unit, e.g. "+6.4"; percentage points where values are probabilities."""
        return NONE if difference is None else signed(difference * self._scale, self._digits)

    def points(self, difference: float | None) -> str:
        """The size of a difference in words, e.g. "6.4 points"."""
        if difference is None:
            return NONE
        return number(abs(difference) * self._scale, self._digits) + (" points" if self.percent else "")

    def tick(self, value: float) -> str:
        """An axis label."""
        return plain(value * self._scale) + self.unit

    def tick_difference(self, value: float) -> str:
        """An axis label of a difference: percentage points carry no unit."""
        return plain(value * self._scale)


UNITS = {"1": "", "degC": "°C", "degF": "°F", "1/min": "/min", "10^9/L": "10⁹/L", "10^3/uL": "10³/µL", "K/uL": "10³/µL"}


def unit(text: str) -> str:
    """A unit as typeset: "ug/kg/min" becomes "µg/kg/min"; a bare "1" disappears."""
    return UNITS.get(text, text.replace("ug/", "µg/"))


def words(name: str) -> str:
    """A key as words: "held_out" becomes "held out"."""
    return name.replace("_", " ")


def opening(text: str) -> str:
    """A text with its first letter raised."""
    return text[:1].upper() + text[1:]


def sentence(name: str) -> str:
    """A key as the start of a sentence."""
    return opening(words(name))
