"""Choosing policies by their scores: what a choice costs, and how a score errs, against known true values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """How claims of being better than a reference go wrong."""

    false_alarms: float | None  # type I: share of policies no better than the reference that are claimed better
    missed: float | None  # type II: share of better policies that are not claimed so
    policies: int


def rank_correlations(score: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[float | None, float | None]:
    """Spearman's rho and Kendall's tau-b of scores (P,) with true values (P,); None where either never varies."""
    scored, true = _pair(score, truth)
    if np.ptp(scored) == 0 or np.ptp(true) == 0:
        return None, None
    return float(stats.spearmanr(scored, true).statistic), float(stats.kendalltau(scored, true).statistic)


def regret(score: npt.ArrayLike, truth: npt.ArrayLike, k: int = 1) -> float:
    """Best true value less the best among the k highest scores: what is lost if one of those k is taken in the end.

    Tang & Wiens (2021), section 4. Of policies whose scores tie for the last places, each is as likely to be in: the
    mean over all ways to break the tie is taken exactly. ValueError for k outside 1..P.
    """
    scored, true = _pair(score, truth)
    if not 1 <= k <= len(scored):
        raise ValueError(f"k: expected 1..{len(scored)}, got {k}")
    edge = np.sort(scored)[-k]
    sure, tied = true[scored > edge], np.sort(true[scored == edge])
    places, size = k - len(sure), len(tied)
    # the best of `places` drawn from `size` without replacement is tied[i] in comb(i, places - 1) of all ways
    ways = np.array([_comb(i, places - 1) for i in range(size)])
    best = np.maximum(tied, sure.max(initial=-np.inf))
    return float(true.max() - (ways * best).sum() / ways.sum())


def errors(claimed: npt.ArrayLike, truth: npt.ArrayLike, reference: float) -> Errors:
    """Type I and II error of claims (P,) bool that a policy beats `reference`, given true values (P,)."""
    said, true = np.asarray(claimed, bool), np.asarray(truth, np.float64)
    if said.shape != true.shape:
        raise ValueError(f"claimed and truth: expected one shape, got {said.shape} and {true.shape}")
    better = true > reference
    return Errors(
        false_alarms=float(said[~better].mean()) if (~better).any() else None,
        missed=float((~said[better]).mean()) if better.any() else None,
        policies=len(true),
    )


def two_stage(pruned_by: npt.ArrayLike, ranked_by: npt.ArrayLike, keep: int) -> list[int]:
    """Indices of the `keep` policies that the first score likes best, ordered by the second from the best on.

    A cheap score without much bias prunes, one with less variance ranks: weighted importance sampling, then fitted Q
    evaluation (Tang & Wiens 2021, section 5.3). What is not a number is pruned first. ValueError for keep outside 1..P.
    """
    first, second = np.asarray(pruned_by, np.float64), np.asarray(ranked_by, np.float64)
    if first.shape != second.shape or not 1 <= keep <= len(first):
        raise ValueError(f"expected two scores of one length and keep in 1..{len(first)}, got {second.shape}, {keep}")
    kept = np.argsort(-np.where(np.isnan(first), -np.inf, first), kind="stable")[:keep]
    order = np.argsort(-np.where(np.isnan(second[kept]), -np.inf, second[kept]), kind="stable")
    return [int(index) for index in kept[order]]


@dataclass(frozen=True)
class Risk:
    """What taking one of several policies risks, by resampling patients."""

    best: float  # share of resamples in which it scores highest
    no_better: float  # share of resamples in which it does not beat the reference
    regret: float  # mean over resamples of the highest score less its own
    chosen: float = 1.0  # that it does not beat the reference, allowing for its having been picked among all


def risks(replicates: Array, reference: Array) -> Sequence[Risk]:
    """Risks of P policies from their replicates (R, P) and those of the reference (R,) on the same resamples.

    An undefined replicate counts against its policy: not the best, not better, and worth as little as the worst. The
    best-looking of many is flattered by chance: `chosen` is the share of resamples in which any candidate strays above
    its own mean by as many standard errors as this one lies above the reference, the single-step reality check of
    White (2000, Econometrica 68:1097), studentised.
    """
    found = np.where(np.isfinite(replicates), replicates, -np.inf)
    top = found.max(1)
    worst = np.min(found, where=np.isfinite(found), initial=np.inf, axis=1)
    worth = np.where(np.isfinite(found), found, worst[:, None])
    picked = _picked(np.where(np.isfinite(replicates), replicates - reference[:, None], np.nan))
    usable = np.isfinite(top)
    ties = (found == top[:, None]) & usable[:, None]
    share = ties / np.maximum(1, ties.sum(1, keepdims=True))
    gap = np.where(usable[:, None], top[:, None] - worth, 0.0)
    return [
        Risk(
            best=float(share[:, p].mean()),
            no_better=float((found[:, p] <= reference).mean()),
            regret=float(gap[:, p].mean()),
            chosen=max(picked[p], float((found[:, p] <= reference).mean())),
        )
        for p in range(found.shape[1])
    ]


def _picked(gain: Array) -> list[float]:
    """`Risk.chosen` (P,) of gains over the reference (R, P); a replicate that is not a number strays without end."""
    known = np.isfinite(gain)
    count = np.maximum(1, known.sum(0))
    middle = np.where(known, gain, 0.0).sum(0) / count
    away = np.where(known, gain - middle, np.inf)
    error = np.sqrt((np.where(known, away, 0.0) ** 2).sum(0) / count)
    strays = np.divide(away, error, out=np.zeros_like(away), where=known & (error > 0))
    top = np.where(known, strays, np.inf).max(1)
    lead = np.divide(middle, error, out=np.full_like(middle, -np.inf), where=error > 0)
    return [float((top >= own).mean()) for own in lead]


def _pair(score: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Array, Array]:
    scored, true = np.asarray(score, np.float64), np.asarray(truth, np.float64)
    if scored.shape != true.shape or scored.ndim != 1 or not len(scored):
        raise ValueError(f"expected as many scores as true values, at least one, got {scored.shape} and {true.shape}")
    return scored, true


def _comb(n: int, k: int) -> float:
    found = 1.0
    for i in range(k):
        found *= (n - i) / (k - i)
    return found if n >= k else 0.0
