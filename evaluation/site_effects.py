"""How differently sites, or clinicians, treat alike patients, and whether a fitted behaviour policy knows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contracts import Decisions, DiscretePolicy
from .behavior_quality import action_probs
from .off_policy.logged import Array, Mask
from .off_policy.resampling import by_cluster, replicates
from .off_policy.statistic import Ratios

LEAST = 10  # held-out patients of a site that is shown by itself


@dataclass(frozen=True)
class SiteQuality:
    """The fitted behaviour policy on the held-out decisions of one site, or of all small ones together."""

    sites: tuple[int, ...]  # the numbers of the sites; -1: unknown
    patients: int
    stays: int
    decisions: int
    nll: float  # mean negative log-probability of the logged action without effects of sites, nats
    nll_sited: float  # ... and with them
    off: float  # share of decisions that the policy without effects puts at other actions than were taken, net
    off_sited: float
    moved: float  # share of decisions at which the effect of the site puts another action: total variation, mean
    more: int  # the action that the effect makes more frequent than any other ...
    by: float  # ... and by what share of decisions


@dataclass(frozen=True)
class SiteEffects:
    """All sites of the held-out decisions."""

    each: tuple[SiteQuality, ...]  # by growing number, the small ones together last
    gain: float  # fall of the mean negative log-probability by the effects, nats per decision
    low: float  # 95 % interval over patients
    high: float


def site_effects(
    decisions: Decisions, plain: DiscretePolicy, sited: DiscretePolicy, *, draws: int = 1000, seed: int = 0
) -> SiteEffects:
    """Judge a policy without and with effects of sites on the same held-out decisions; masks are ignored.

    Sites of fewer than 10 patients are judged together, and with them as many of the next larger ones as keep the
    count of the rest from being told by subtraction. ValueError where no decision was made.
    """
    if decisions.action.dim() != 2 or not decisions.mask.any():
        raise ValueError("site effects need at least one decision, and discrete actions (N, T)")
    decisions = decisions.rows(decisions.mask.any(1))
    held = _Held(
        site=decisions.site.cpu().numpy(),
        subject=decisions.subject.cpu().numpy(),
        stay=np.nonzero(decisions.mask.cpu().numpy())[0],
        taken=decisions.action[decisions.mask].cpu().numpy(),
        plain=action_probs(decisions, plain),
        sited=action_probs(decisions, sited),
    )
    each = tuple(_quality(held, np.isin(held.site, group)) for group in _shown(held.site, held.subject))
    return SiteEffects(each, *_gain(held, draws, seed))


Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Held:
    """N held-out stays and their M decisions."""

    site: Ints  # (N,)
    subject: Ints  # (N,)
    stay: Ints  # (M,) whose decision it is
    taken: Ints  # (M,)
    plain: Array  # (M, A)
    sited: Array  # (M, A)

    def loss(self, probs: Array) -> Array:
        """Negative log-probability (M,) of what was done."""
        return np.asarray(-np.log(np.maximum(probs[np.arange(len(self.taken)), self.taken], 1e-300)))


def _shown(site: Ints, subject: Ints) -> list[Ints]:
    """Sites shown by themselves, each alone, and all that are shown together."""
    known = np.unique(site)
    patients = np.array([len(np.unique(subject[site == s])) for s in known])
    order = np.argsort(patients, kind="stable")
    few = int((patients < LEAST).sum())
    while few and few < len(known) and patients[order[:few]].sum() < LEAST:
        few += 1
    alone, together = np.sort(known[order[few:]]), np.sort(known[order[:few]])
    return [*(np.array([s]) for s in alone), *([together] if few else [])]


def _quality(held: _Held, rows: Mask) -> SiteQuality:
    """Of the stays in `rows` (N,)."""
    here = rows[held.stay]
    plain, sited = held.plain[here], held.sited[here]
    share = np.bincount(held.taken[here], minlength=plain.shape[1]) / here.sum()
    shift = (sited - plain).mean(0)
    return SiteQuality(
        sites=tuple(map(int, np.unique(held.site[rows]))),
        patients=len(np.unique(held.subject[rows])),
        stays=int(rows.sum()),
        decisions=int(here.sum()),
        nll=float(held.loss(held.plain)[here].mean()),
        nll_sited=float(held.loss(held.sited)[here].mean()),
        off=float(np.abs(plain.mean(0) - share).sum() / 2),
        off_sited=float(np.abs(sited.mean(0) - share).sum() / 2),
        moved=float(np.abs(sited - plain).sum(1).mean() / 2),
        more=int(shift.argmax()),
        by=float(shift.max()),
    )


def _gain(held: _Held, draws: int, seed: int) -> tuple[float, float, float]:
    """Fall of the loss per decision, with its bootstrap interval over patients."""
    better: Array = np.bincount(held.stay, held.loss(held.plain) - held.loss(held.sited)).astype(np.float64)
    ratio = Ratios(better[:, None], np.bincount(held.stay).astype(np.float64)[:, None])
    drawn = replicates([(by_cluster(ratio.columns(), held.subject), ratio.combine)], draws, seed)[:, 0]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(better.sum() / len(held.stay)), float(low), float(high)
