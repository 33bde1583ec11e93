"""The section of a report on sites, or clinicians, that treat alike patients differently."""

from __future__ import annotations

import torch

from ..agents.behavior import FittedBehavior, SitedPolicy, without_sites
from ..contracts import Decisions, Spec
from ..evaluation.report import Interval, SiteReport, SitesReport
from ..evaluation.site_effects import SiteQuality, site_effects
from ..trajectories.levels import dose_of_action


def sites_section(held_out: Decisions, behavior: FittedBehavior, spec: Spec) -> SitesReport | None:
    """The fitted clinician site by site, without and with effects of sites; None where there are not two sites."""
    if len(held_out.site[held_out.site >= 0].unique()) < 2:
        return None
    found = site_effects(held_out, without_sites(behavior), behavior)
    if not isinstance(behavior, SitedPolicy):
        return SitesReport(each=tuple(_plain(one) for one in found.each))
    return SitesReport(
        each=tuple(_sited(one, spec) for one in found.each),
        told_apart=len(behavior.sites),
        spread=_spread(held_out, behavior, spec.actions) if behavior.spread else 0.0,
        gain=Interval(value=found.gain, low=found.low, high=found.high),
    )


def _spread(held_out: Decisions, behavior: SitedPolicy, actions: int) -> float:
    """Standard deviation of the effects between sites, each dose counting as often as it is given."""
    share = torch.bincount(held_out.action[held_out.mask], minlength=actions).double()
    variance = behavior.effect.double().var(0, correction=0)
    return float((share @ variance / share.sum()).sqrt())


def _plain(one: SiteQuality) -> SiteReport:
    return SiteReport(
        label=_label(one.sites),
        patients=one.patients,
        stays=one.stays,
        decisions=one.decisions,
        nll=one.nll,
        off=one.off,
    )


def _sited(one: SiteQuality, spec: Spec) -> SiteReport:
    doses = dose_of_action(spec, torch.tensor([one.more]))[0].tolist() if one.by > 0 else ()
    return _plain(one).model_copy(
        update={
            "nll_sited": one.nll_sited,
            "off_sited": one.off_sited,
            "moved": one.moved,
            "more": tuple(round(dose, 6) for dose in doses),
            "by": one.by,
        }
    )


def _label(sites: tuple[int, ...]) -> str:
    """In words; a negative number stands for an unknown site."""
    known = [site for site in sites if site >= 0]
    if not known:
        return "unknown"
    name = f"site {known[0]}" if len(known) == 1 else f"{len(known)} small sites"
    return name if len(known) == len(sites) else f"{name} or unknown"
