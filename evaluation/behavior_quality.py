"""How well a fitted behaviour policy knows what clinicians do: calibration, discrimination, and least propensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from ..contracts import Decisions, DiscretePolicy
from ..trajectories.sited import here
from .off_policy.logged import Array
from .off_policy.ratios import by_blocks
from .off_policy.weights import RARE

# narrow where propensities crowd: with many actions most are small, and small ones make the ratios
_EDGES = np.array([0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])


@dataclass(frozen=True)
class Calibration:
    """Decisions (or actions) for which about the same was predicted."""

    predicted: float  # mean probability
    observed: float  # share that happened
    count: int


@dataclass(frozen=True)
class BehaviorQuality:
    """Numbers on decisions that the behaviour policy was not fitted to."""

    nll: float  # mean negative log-probability of the logged action, nats
    nll_marginal: float  # of action frequencies alone
    ece: float  # expected calibration error of the most likely action (Guo et al. 2017), 15 bins
    action_ece: float  # calibration error summed over all actions of a decision, binned by predicted probability
    auroc: float  # one action against the rest, averaged by frequency; nan where only one is taken
    least_propensity: float  # of a logged action
    share_below_001: float  # share of logged actions with a propensity under 0.01
    calibration: tuple[Calibration, ...]  # over all (decision, action) pairs, by predicted probability
    actions: tuple[Calibration, ...]  # by action: mean predicted, share taken, times taken
    propensities: tuple[tuple[float, float, int], ...]  # of logged actions: from, up to, how many
    decisions: int


@torch.no_grad()
def behavior_quality(
    decisions: Decisions, behavior: DiscretePolicy, *, marginal: npt.ArrayLike | None = None
) -> BehaviorQuality:
    """Judge `behavior` on held-out decisions; masks are ignored, since clinicians are not bound by them.

    `marginal` (A,) holds the action frequencies of the training stays; None takes those of these decisions, which
    flatters the comparison. ValueError without any decision, or for probabilities that do not sum to one.
    """
    mask = decisions.mask
    if decisions.action.dim() != 2 or not mask.any():
        raise ValueError("behaviour quality needs at least one decision, and discrete actions (N, T)")
    taken: npt.NDArray[np.int64] = decisions.action[mask].cpu().numpy()
    probs = action_probs(decisions, behavior)
    if not np.allclose(probs.sum(1), 1, atol=1e-4):
        raise ValueError(f"expected probabilities that sum to one, got a sum of {probs.sum(1).max()}")
    happened = np.zeros_like(probs)
    happened[np.arange(len(taken)), taken] = 1
    share = happened.mean(0)
    usual = share if marginal is None else np.asarray(marginal, dtype=np.float64)
    own = probs[np.arange(len(taken)), taken]
    top = probs.argmax(1)
    curve = _calibration(probs.ravel(), happened.ravel(), _EDGES)
    return BehaviorQuality(
        nll=float(-np.log(np.maximum(own, 1e-300)).mean()),
        nll_marginal=float(-np.log(np.maximum(usual[taken], 1e-300)).mean()),
        ece=_error(_calibration(probs.max(1), (top == taken).astype(np.float64), np.linspace(0, 1, 16))),
        action_ece=sum(c.count * abs(c.observed - c.predicted) for c in curve) / len(taken),
        auroc=_auroc(probs, happened),
        least_propensity=float(own.min()),
        share_below_001=float((own < RARE).mean()),
        calibration=curve,
        actions=tuple(
            Calibration(float(p), float(s), int(n))
            for p, s, n in zip(probs.mean(0), share, happened.sum(0), strict=True)
        ),
        propensities=_histogram(own),
        decisions=len(taken),
    )


@torch.no_grad()
def action_probs(decisions: Decisions, behavior: DiscretePolicy) -> Array:
    """Probabilities (M, A) of a behaviour policy at the M decisions that were made, those of each under its own site's.

    Masks are ignored.
    """
    mask = decisions.mask
    site = decisions.site[:, None].expand(mask.shape)[mask]
    found = by_blocks(lambda obs, s: here(behavior, s).probs(obs, None), decisions.obs[:, :-1][mask], site)
    return np.asarray(found.double().cpu().numpy())


def _histogram(values: Array) -> tuple[tuple[float, float, int], ...]:
    counts, _ = np.histogram(values, _EDGES)
    return tuple((float(a), float(b), int(n)) for a, b, n in zip(_EDGES[:-1], _EDGES[1:], counts, strict=True))


def _calibration(predicted: Array, happened: Array, edges: Array) -> tuple[Calibration, ...]:
    """Mean prediction and share that happened in each bin that holds anything."""
    place = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    means = np.bincount(place, predicted, len(edges) - 1)
    shares = np.bincount(place, happened, len(edges) - 1)
    return tuple(
        Calibration(float(p / n), float(s / n), int(n)) for p, s, n in zip(means, shares, counts, strict=True) if n
    )


def _error(curve: tuple[Calibration, ...]) -> float:
    return sum(c.count * abs(c.observed - c.predicted) for c in curve) / sum(c.count for c in curve)


def _auroc(probs: Array, happened: Array) -> float:
    """Area under the ROC curve by ranks (Mann & Whitney 1947), averaged over actions by how often they are taken."""
    positive = happened.sum(0)
    usable = (positive > 0) & (positive < len(happened))
    if not usable.any():
        return float("nan")
    ranks = stats.rankdata(probs[:, usable], axis=0)
    positive = positive[usable]
    u = (ranks * happened[:, usable]).sum(0) - positive * (positive + 1) / 2
    return float(np.average(u / (positive * (len(happened) - positive)), weights=positive))
