"""What the page shows of how far importance weights scatter, where a known truth tells it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .off_policy.verdict import Thresholds
from .page_policies import ordered
from .report import ExpectedReport, PolicyReport, Report
from .style import NARROW, NONE, count, number, percent, sample
from .wording import primary

_NAMED = (1, 5, 10, 20)  # decisions after which the effective sample is told, and at the end
_STAYS = 1000
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
WANTED = Thresholds().effective_sample_size[0]


@dataclass(frozen=True)
class WeightsRow:
    """One policy in text."""

    label: str
    sizes: tuple[str, ...]  # expected effective sample of a thousand stays, after each of the named decisions
    expected: str  # ... of the held-out stays at the end
    found: str  # the effective sample that they had
    needed: str  # stays for an effective sample that supports an estimate
    bound: str  # of the mean square, however long stays last


def weights_steps(report: Report) -> tuple[int, ...]:
    """The decisions after which the effective sample is told; none without a known table of truth."""
    last = max((len(e.shares) for e in report.expected.values()), default=0)
    return (*(t for t in _NAMED if t < last), last) if last else ()


def weights_rows(report: Report) -> list[WeightsRow]:
    """Every policy with an answer, in the order of the policies table."""
    names = {id(policy): name for name, policy in report.policies.items()}
    rows = []
    for policy in ordered(report):
        found = report.expected.get(names[id(policy)])
        if found is not None and found.shares:
            rows.append(_row(report, policy, found))
    return rows


def wanted() -> str:
    """The effective sample that supports an estimate, in text."""
    return count(WANTED)


def _row(report: Report, policy: PolicyReport, found: ExpectedReport) -> WeightsRow:
    share, main = found.shares[-1], primary(report, policy)
    held_out = report.cohort.splits.get("held_out")
    stays = None if held_out is None else held_out.stays
    needed = many(WANTED / share) if share else "no number"
    about = "" if found.exact or not found.error or needed.startswith(("over", "no")) else "about "
    covered = found.mean is None or found.mean > 0.99
    return WeightsRow(
        label=policy.label if covered else f"{policy.label} ({percent(found.mean, 0)} of it ever done)",
        sizes=tuple(_size(found.shares[t - 1], _STAYS) for t in weights_steps(report)),
        expected=_size(share, stays),
        found=sample(main.effective_sample_size) if main else NONE,
        needed=NONE if share is None else about + needed,
        bound=NONE if found.bounded is None else "bounded" if found.bounded else "no bound",
    )


def _size(share: float | None, stays: int | None) -> str:
    if share is None or stays is None:
        return NONE
    size = share * stays
    return sample(size) if size >= 0.05 else f"<{NARROW}0.1"


def many(value: float) -> str:
    """A count of stays: two digits that tell, and a power of ten beyond a million."""
    if value < 1e6:
        digits = max(0, math.floor(math.log10(max(value, 1))) - 1)
        return count(math.ceil(value / 10**digits) * 10**digits)
    power = math.floor(math.log10(value)) if math.isfinite(value) else 308
    return f"{number(value / 10**power, 0)} × 10{str(power).translate(_SUPERSCRIPT)}" if power < 15 else "over 10¹⁵"
