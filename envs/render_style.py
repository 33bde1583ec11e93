"""How the bedside view looks and reads: colours, sizes, and the wording of numbers and units."""

from __future__ import annotations

PAPER = "#fdfcf9"
PANEL = "#ffffff"
INK = "#1b1f23"
MUTED = "#5a636b"
LINE = "#dcd9d1"
HAIR = "#e9e6de"
REFERENCE = "#e2eadf"  # what is usual
VALUE = "#075a91"  # what was measured; blue and orange stay apart for every common colour vision
EXPECTED = "#e08a4a"  # what the model expected
DOSE = "#58636d"
EXCEEDED = "#b84a05"  # a dose above its limit
GHOST = "#868f97"  # the course that another is compared with
OVER = "#f1efe9"  # after the end of the stay

SIZE = (1000, 700)  # pixels of one patient
PAIR = (1500, 860)  # ... and of two side by side
DPI = 100
SPREAD = 2.0  # half width of the expected range, in standard deviations
FRAMES_PER_SECOND = 4
NOTICE = "Research only, not for care."

NONE = "–"
DAY, DAYS = 24.0, 240.0  # hours; a stay longer than the second is told in days
_UNITS = {
    "1": "",
    "fraction": "",
    "degC": "°C",
    "degF": "°F",
    "1/min": "/min",
    "10^9/L": "10⁹/L",
    "10^3/uL": "10³/µL",
    "K/uL": "10³/µL",
}


def unit(text: str) -> str:
    """A unit as typeset: "ug/kg/min" becomes "µg/kg/min"; a bare "1" disappears."""
    return _UNITS.get(text, text.replace("ug/", "µg/"))


def number(value: float) -> str:
    """About three significant digits, without an exponent: 1250, 72, 8.4, 0.07."""
    size = abs(value)
    digits = 0 if size >= 100 or value == round(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "−")


def amount(value: float, of: str) -> str:
    """A number with its unit, e.g. "72 mmHg", "98 %"."""
    return f"{number(value)} {unit(of)}".rstrip()


def shortened(text: str, characters: int) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= characters else text[: max(characters - 1, 1)].rstrip() + "…"


def moment(hours: float, horizon: float) -> str:
    """A time as a person tells it, and of how much: "hour 16 of 72", "day 40 of 90"."""
    if horizon > DAYS:
        return f"day {hours / DAY:.3g} of {horizon / DAY:g}"
    return f"hour {hours:g} of {horizon:g}"
