"""What the page shows of sites, or clinicians, that treat alike patients differently."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .report import Report, SiteReport, SitesReport
from .style import NARROW, NONE, count, number, opening, percent, plain, signed, unit

_MEDIAN = 0.6744897501960817  # of the absolute value of a standard normal


@dataclass(frozen=True)
class SiteRow:
    """One site, or all small ones together, in text."""

    label: str
    patients: str
    decisions: str
    loss: str  # nats per decision
    loss_sited: str
    off: str
    off_sited: str
    moved: str
    more: str


def site_rows(report: Report) -> list[SiteRow]:
    """The table of sites; empty where no two can be told from each other."""
    return [_row(report, one) for one in report.sites.each] if report.sites and len(report.sites.each) > 1 else []


def site_text(report: Report) -> list[str]:
    """What the effects of sites come to, in sentences."""
    sites = report.sites
    if sites is None:
        return []
    few = ["No two of the sites have enough held-out patients to be shown one by one."] if len(sites.each) < 2 else []
    if not sites.told_apart:
        why = "few have enough training stays, or the config says not to (behavior.sites)"
        return [f"The fitted clinician is that of all sites together: {why}.", *few]
    if not sites.spread:
        return [
            f"{sites.told_apart} sites were told apart, and tuning patients show no difference between them beyond "
            "chance: the fitted clinician is the same everywhere.",
            *few,
        ]
    return [_spread(sites), *_gain(sites), *few]


def odds_ratio(spread: float) -> float:
    """Median ratio of the odds of one dose against another between two sites, the higher over the lower.

    Effects of standard deviation s differ by a normal of 2 s: site less site, of one dose less the other's. Larsen &
    Merlo (2005), American Journal of Epidemiology 161:81.
    """
    return math.exp(_MEDIAN * 2 * spread)


def _spread(sites: SitesReport) -> str:
    assert sites.spread is not None
    return (
        f"{sites.told_apart} sites are told apart. Of the same patient, the odds of one dose against another differ "
        f"between two sites by a factor of {number(odds_ratio(sites.spread), 2)} (median; effects of standard "
        f"deviation {number(sites.spread, 2)} in log odds)."
    )


def _gain(sites: SitesReport) -> list[str]:
    gain = sites.gain
    if gain is None or gain.value is None:
        return []
    interval = ""
    if gain.low is not None and gain.high is not None:
        interval = f" (95{NARROW}% interval {number(gain.low, 3)} to {number(gain.high, 3)})"
    told = "" if gain.low is None or gain.low > 0 else " Held-out patients do not confirm the effects."
    return [f"With effects, the log loss of a held-out decision falls by {number(gain.value, 3)}{interval}.{told}"]


def _row(report: Report, one: SiteReport) -> SiteRow:
    drugs = report.cohort.drugs
    doses = " + ".join(f"{plain(d)} {unit(drug.unit)}" for d, drug in zip(one.more, drugs, strict=False))
    more = f"{doses} ({signed(one.by * 100, 1)} points)" if doses and one.by is not None else NONE
    return SiteRow(
        label=opening(one.label),
        patients=count(one.patients),
        decisions=count(one.decisions),
        loss=number(one.nll, 3),
        loss_sited=number(one.nll_sited, 3),
        off=percent(one.off),
        off_sited=percent(one.off_sited),
        moved=percent(one.moved),
        more=more,
    )
