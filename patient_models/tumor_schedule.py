"""When a tumour patient is scanned: on the days of decisions, or every so many days of a clock of the patient's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from .tumor_memory import TumorMemory
from .tumor_spec import DAY, WEEK

PACES = (1.0, 2.0, 4.0, 8.0)  # weeks
_LEAST = 1e-12  # a share of missed scans below which none is missed


@dataclass(frozen=True)
class WeeklySchedule:
    """Scans on the day of a decision: every `weeks`, or at each patient's own pace where that is 0; some are missed."""

    weeks: int
    missed: float

    def latest(self, m: TumorMemory, hours: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Whether the week that ended at `hours` (B,) brought a scan (B,) bool, and how many days ago (B,) int64: 0."""
        kept: Tensor = ndtr(noise[:, 3]) >= self.missed
        number = torch.round(hours / WEEK)
        pace = own_pace(m.anatomy[0]) if self.weeks == 0 else torch.full_like(number, self.weeks)
        return (torch.remainder(number, pace) == 0) & kept, torch.zeros_like(number, dtype=torch.int64)


@dataclass(frozen=True)
class DailySchedule:
    """Scans every `shortest` to `longest` days, from a day on that no decision knows of.

    Each patient's interval is log-uniform between the two, the share of scans that is missed is uniform between
    `missed` and `most_missed`, and both stay the patient's own. ValueError for intervals below a day or shares
    outside 0..1.
    """

    shortest: int = 1  # days
    longest: int = 56
    missed: float = 0.0
    most_missed: float = 0.0

    def __post_init__(self) -> None:
        if not (1 <= self.shortest <= self.longest and 0 <= self.missed <= self.most_missed <= 1):
            raise ValueError(f"expected 1 <= shortest <= longest and 0 <= missed <= most_missed <= 1, got {self}")

    def plan(self, m: TumorMemory) -> tuple[Tensor, Tensor, Tensor]:
        """Days between scans, day of the first one after admission, and share missed, each (B,) float64."""
        every = self.shortest * (self.longest / self.shortest) ** _digits(m.aspect[0])
        every = every.round()
        first = (_digits(m.tolerance[0]) * every).floor() + 1
        return every, first, self.missed + (self.most_missed - self.missed) * _digits(m.anatomy[0])

    def latest(self, m: TumorMemory, hours: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Whether the week that ended at `hours` (B,) brought a scan (B,) bool, and how many days ago (B,) int64."""
        every, first, missed = self.plan(m)
        today = torch.round(hours / DAY).double()
        ago = torch.remainder(today - first, every)  # days since the last one that was due
        due = ((6 - ago).clamp_min(-1) / every).floor() + 1  # in this week
        due = torch.minimum(due, ((today - ago - first) / every).floor() + 1)
        chance: Tensor = ndtr(noise[:, 3].double())
        skipped = (chance.log() / missed.clamp_min(_LEAST).log()).floor()  # geometric: misses before the first kept
        skipped = torch.where(missed >= 1, due, skipped)
        return skipped < due, torch.where(skipped < due, ago + skipped * every, 0.0).long()


def own_pace(anatomy: Tensor) -> Tensor:
    """Weeks between a patient's scans (B,), one of `PACES`, by the patient's hidden number."""
    place: Tensor = torch.remainder(ndtr(anatomy.double()) * 1009, 1.0) * len(PACES)
    return anatomy.new_tensor(PACES)[place.long().clamp(0, len(PACES) - 1)]


def _digits(trait: Tensor) -> Tensor:
    """A number in 0..1 (B,) float64 from the late digits of a continuous trait (B,): as good as independent of it."""
    return torch.remainder(trait.double() * 1009, 1.0)
