"""Section of a report on sites, or clinicians, that treat alike patients differently."""

from __future__ import annotations

from .report_parts import Count, Frozen, Interval, Number


class SiteReport(Frozen):
    """The fitted clinician on held-out decisions of one site, without and with the effects of sites."""

    label: str
    patients: Count
    stays: Count
    decisions: Count
    nll: Number  # nats per decision, without effects
    off: Number  # share of decisions at which it puts other doses than were given, net
    nll_sited: Number = None  # with effects; None, as what follows, where sites are not told apart
    off_sited: Number = None
    moved: Number = None  # share of decisions at which the site's effect puts another dose
    more: tuple[float, ...] = ()  # the doses that the effect makes most more frequent ...
    by: Number = None  # ... and by what share of decisions


class SitesReport(Frozen):
    """How differently sites treat alike patients, on held-out decisions."""

    each: tuple[SiteReport, ...]
    told_apart: int = 0  # sites with an effect of their own, from training stays; 0: not told apart
    spread: Number = None  # standard deviation of the effects between sites, in log odds of a dose; 0: all alike
    gain: Interval | None = None  # fall of the log loss per held-out decision by the effects
