"""Whether an estimate has enough behind it to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .resampling import Cluster
from .weights import RARE, Weights

Label = Literal["supported", "weak", "not evaluable", "model-based"]
MODEL_BASED = "rests on a fitted model, whose own error neither weight nor interval reveals"
_ROUNDING = 1e-9
ORDER: tuple[Label, ...] = ("supported", "weak", "not evaluable")


@dataclass(frozen=True)
class Thresholds:
    """Limits (for supported, for weak); beyond the second an estimate is not evaluable.

    Sizes, shares and means are calibrated: the most permissive under which, on two problems with known propensities,
    supported 95 % intervals of every estimator and sample size held the truth at least nine times in ten, and still
    did on a third (docs/off_policy.md). Given the size, a mean weight near 1 tells most: where the tail of the
    weights was missed it falls short, and with it the interval. `rare` leaves room for what is natural: a calibrated
    behaviour spreading over A actions can hold up to A * RARE of its own probability on actions below RARE.
    """

    effective_sample_size: tuple[float, float] = (50.0, 20.0)  # patients, at least
    largest_share: tuple[float, float] = (0.10, 0.20)  # of all weight held by one patient, at most
    mean_weight: tuple[float, float] = (1.10, 1.25)  # at most; at least one over it
    excess: tuple[float, float] = (0.05, 0.20)  # target beyond behaviour probability on hardly ever taken actions
    rare: tuple[float, float] = (0.15, 0.30)  # share of logged decisions of hardly ever taken actions
    gap: tuple[float, float] = (2.5, 4.0)  # of weighted and doubly robust estimates, in its standard errors


@dataclass(frozen=True)
class Verdict:
    """A label, and for anything less than supported the reasons, each a sentence with its number."""

    label: Label
    reasons: tuple[str, ...]


def judge(
    weights: Sequence[Weights],
    cluster: Cluster | None,
    value: float,
    thresholds: Thresholds,
    doubts: Sequence[tuple[int, str]] = (),
) -> Verdict:
    """The worst of what the weights say, at their worst decision time; stays of one patient count as one.

    Without weights an estimate is model-based, never supported. An estimate that is not a finite number has no
    weight left somewhere and is not evaluable. `doubts` are grades, 1 weak and 2 not evaluable, with their reasons.
    """
    if not weights:
        return Verdict("model-based", (MODEL_BASED,))
    found = [reason for one in weights for reason in _reasons(one, cluster, thresholds)] + list(doubts)
    if not -float("inf") < value < float("inf"):
        found.append((2, "no logged stay follows the policy far enough to give a number"))
    grade = max((g for g, _ in found), default=0)
    return Verdict(ORDER[grade], tuple(dict.fromkeys(text for g, text in found if g)))


def impossible(value: float, least: float, largest: float) -> str:
    """Why a value cannot be true: beyond the return of any stay. Empty where it can, up to rounding."""
    slack = _ROUNDING * max(1.0, largest - least)
    if least - slack <= value <= largest + slack or value != value:
        return ""
    return f"no stay can be worth {value:.3g}: returns lie between {least:g} and {largest:g}"


def disagreement(gap: float, error: float, limits: Thresholds) -> list[tuple[int, str]]:
    """The grade of a `gap` between what weights and critic say, of standard `error`, with its reason."""
    if not 0 < error < float("inf"):
        return []
    text = f"the weighted estimate lies {gap:+.2g} off the doubly robust one, {abs(gap) / error:.1f} standard errors"
    return [(_above(abs(gap) / error, *limits.gap), f"{text}: the fitted behaviour policy is wrong where it matters")]


def _reasons(weights: Weights, cluster: Cluster | None, limits: Thresholds) -> list[tuple[int, str]]:
    sums = weights.sums(cluster)
    size, share = float(sums.effective_sample_size().min()), float(sums.largest_share().max())
    means = weights.mean()
    high, low = float(means.max()), float(means.min())
    found = [
        (_above(-size, *(-x for x in limits.effective_sample_size)), f"effective sample of {size:.0f} patients"),
        (_above(share, *limits.largest_share), f"one patient holds {share:.0%} of the weight"),
        (_above(high, *limits.mean_weight), f"mean weight {high:.2g} where 1 is expected"),
        (_above(-low, *(-1 / x for x in limits.mean_weight)), f"mean weight {low:.2g} where 1 is expected"),
    ]
    if (excess := weights.excess_share) is not None:
        text = f"{excess:.0%} of decisions would be actions that clinicians take in under {RARE:.0%} of such cases"
        found.append((_above(excess, *limits.excess), text))
    if (rare := weights.rare_share) is not None:
        text = f"{rare:.0%} of logged actions had a propensity under {RARE:.0%}"
        found.append((_above(rare, *limits.rare), text))
    return [reason for reason in found if reason[0]]


def _above(number: float, supported: float, weak: float) -> int:
    return int(number > supported) + int(number > weak)
