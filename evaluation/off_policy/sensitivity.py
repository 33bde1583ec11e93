"""What an estimate could be if clinicians had acted on something that the record does not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .estimates import Estimate
from .logged import Array, Logged, Mask, Numbers, inside, logged
from .statistic import Terms
from .weights import Weights, scale

Index = npt.NDArray[np.int64] | Mask
GAMMAS = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
MOST = 100.0  # the largest Gamma that a tipping point is looked for at
_HALVINGS = 40
_COARSE = 12  # halvings where each needs a bootstrap: Gamma to a thousandth part

Bound = Callable[[float, float], Estimate]  # of Gamma and -1 for the least, 1 for the largest value


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Bounds on a value under each strength of confounding Gamma >= 1; at 1 both are the estimate itself."""

    gamma: tuple[float, ...]
    lower: tuple[Estimate, ...]
    upper: tuple[Estimate, ...]
    tipping: float | None  # least Gamma at which the advantage over the reference may vanish; None where even 100 fails
    bound: Bound

    def intervals(self, level: float = 0.95, *, draws: int = 1000) -> tuple[tuple[float, float], ...]:
        """For each Gamma an interval that holds the value with probability `level` if confounding is no stronger.

        From the bootstrap of the lower bound to that of the upper one: Zhao, Small & Bhattacharya (2019), section 4.
        """
        pairs = zip(self.lower, self.upper, strict=True)
        return tuple((a.interval(level, draws=draws)[0], b.interval(level, draws=draws)[1]) for a, b in pairs)

    def beside(self, estimate: Estimate) -> Sensitivity:
        """The bounds around `estimate` on the same stays, with its patients, diagnostics and error of the behaviour.

        The error of the behaviour policy is taken to move the bounds as it moves the estimate.
        """
        same = {name: getattr(estimate, name) for name in ("weights", "cluster", "shifts", "gap", "unchecked")}
        return self._each(lambda one: replace(one, **same))

    def minus(self, reference: Estimate) -> Sensitivity:
        """The bounds on the difference from an estimate on the same stays that no confounding moves; as `tipping`."""
        return self._each(lambda one: one.minus(reference))

    def _each(self, change: Callable[[Estimate], Estimate]) -> Sensitivity:
        lower, upper = (tuple(change(one) for one in side) for side in (self.lower, self.upper))
        return replace(self, lower=lower, upper=upper, bound=lambda gamma, sign: change(self.bound(gamma, sign)))

    def tipping_by_chance(self, reference: Estimate, level: float = 0.95, *, draws: int = 1000) -> float | None:
        """Least Gamma at which the interval of the bound less `reference`, paired by patient, holds 0.

        From there on confounding and chance together may explain the advantage; 1 where chance alone may, None where
        even 100 is not enough.
        """
        sign = -1.0 if self.lower[0].value > reference.value else 1.0

        def stands(gamma: float) -> bool:
            low, high = self.bound(gamma, sign).minus(reference).interval(level, draws=draws)
            return low > 0 if sign < 0 else high < 0

        return _least(stands, _COARSE)


def marginal_sensitivity(
    reward: Numbers,
    log_ratio: Numbers,
    log_behavior: Numbers,
    mask: Numbers,
    *,
    decision: int = 0,
    kept: float = 0.0,
    gammas: Sequence[float] = GAMMAS,
    reference: float | None = None,
    discount: float | Numbers = 1.0,
) -> Sensitivity:
    """Bounds where one decision, the first by default, followed something hidden.

    The odds of the action that was taken, given what was hidden, differ by a factor of at most Gamma either way from
    those of its propensity b (Tan 2006). Its ratio pi / b then is pi / b * (b + l (1 - b)) for some l in
    [1 / Gamma, Gamma], chosen for each stay so that weighted importance sampling is least, or largest: the stays are
    ordered by return and the best l jumps once (Zhao, Small & Bhattacharya 2019, proposition 2). `log_behavior` (N, T),
    the rest as in `logged`. `kept` is the share of decisions that a blend leaves to the clinicians themselves: what
    they did, for whatever reason, needs no propensity, so that only the other share is in doubt. `reference` is the
    value over which an advantage is claimed, by default the clinicians'.
    """
    data = logged(reward, log_ratio, mask, discount)
    log_b = inside("log_behavior", log_behavior, data.mask)
    if not 0 <= decision < data.mask.shape[1]:
        raise ValueError(f"decision: expected 0..{data.mask.shape[1] - 1}, got {decision}")
    propensity = np.where(data.mask[:, decision], np.exp(np.minimum(log_b[:, decision], 0)), 1.0)
    propensity = beyond_doubt(data, decision, kept, propensity)
    weight = scale(data.log_total[:, None])[0][:, 0]
    returns = data.returns

    def bound(gamma: float, sign: float) -> Estimate:
        statistic = Extreme(returns, weight, propensity, gamma, sign)
        num, den = statistic.terms()
        name = "lower bound" if sign < 0 else "upper bound"
        return Estimate(name, num, den, self_normalized=True, weights=(Weights.of(data),), statistic=statistic,
                        notes=(f"hidden odds ratio up to {gamma:g} at decision {decision}",))  # fmt: skip

    return curve(bound, gammas, float(returns.mean()) if reference is None else reference)


def beyond_doubt(data: Logged, decision: int, kept: float, propensity: Array) -> Array:
    """The part (N,) of each weight that no hidden cause can change: all that is the clinicians' own, b of the rest.

    With p = kept + (1 - kept) pi / b the ratio of a blend, kept / p of the weight comes from the clinicians. ValueError
    for a share outside 0..1.
    """
    if not 0 <= kept <= 1:
        raise ValueError(f"kept: expected a share of decisions, 0..1, got {kept}")
    own = np.minimum(kept * np.exp(-data.log_ratio[:, decision]), 1.0) if kept else np.zeros(len(propensity))
    return np.asarray(own + (1 - own) * propensity)


def curve(bound: Bound, gammas: Sequence[float], reference: float) -> Sensitivity:
    """The bounds at each Gamma, and the least Gamma at which the one towards the reference reaches it."""
    if not gammas or min(gammas) < 1:
        raise ValueError(f"gammas: expected numbers of at least 1, got {tuple(gammas)}")
    lower, upper = (tuple(bound(gamma, sign) for gamma in gammas) for sign in (-1.0, 1.0))
    return Sensitivity(tuple(gammas), lower, upper, _tipping(bound, reference), bound)


def _tipping(bound: Bound, reference: float) -> float | None:
    sign = -1.0 if bound(1.0, -1.0).value > reference else 1.0  # a claimed harm tips upwards

    def stands(gamma: float) -> bool:
        return sign * (bound(gamma, sign).value - reference) < 0

    return _least(stands, _HALVINGS)


def _least(stands: Callable[[float], bool], halvings: int) -> float | None:
    """Least Gamma at which something no longer `stands`; None where it stands at 100."""
    if not stands(1.0):
        return 1.0
    if stands(MOST):
        return None
    low, high = 0.0, float(np.log(MOST))
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if stands(float(np.exp(middle))) else (low, middle)
    return float(np.exp(high))


@dataclass(frozen=True, eq=False)
class Extreme:
    """The least (sign -1) or largest (1) weighted mean of N returns over all weights that Gamma allows."""

    returns: Array  # (N,)
    weight: Array  # (N,) nominal
    propensity: Array  # (N,) nominal, of the action taken at the decision in doubt: that part of the weight is sure
    gamma: float
    sign: float
    smooth: bool = True  # by the envelope theorem: the best weights may be held

    def extremes(self) -> tuple[Array, Array]:
        """The least and the largest weight (N,) of each stay."""
        ends = (self.weight * (self.propensity + odds * (1 - self.propensity)) for odds in (1 / self.gamma, self.gamma))
        least, most = ends
        return least, most

    def terms(self) -> Terms:
        """With the extreme weights themselves."""
        order = np.argsort(self.sign * self.returns, kind="stable")
        _, cut = self._scan(np.ones((1, len(order))), order)
        weight = np.empty(len(order))
        least, most = self.extremes()
        weight[order] = np.where(np.arange(len(order)) < cut[0], least[order], most[order])
        return (weight * self.returns)[:, None], weight[:, None]

    def replicate(self, counts: Array) -> Array:
        """The bound (R,) in resamples, its weights chosen anew."""
        return self._scan(counts, np.argsort(self.sign * self.returns, kind="stable"))[0]

    def _scan(self, counts: Array, order: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.int64]]:
        """Value (R,) and how many stays (R,) in the order of their worth have the least weight."""
        least, most = (end[order] for end in self.extremes())
        worth, drawn = self.sign * self.returns[order], counts[:, order]
        den = _jumps(drawn, least, most)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(den > 0, _jumps(drawn, least * worth, most * worth) / den, -np.inf)
        cut = found.argmax(1)
        best = np.take_along_axis(found, cut[:, None], 1)[:, 0]
        return np.where(np.isfinite(best), self.sign * best, np.nan), cut

    def rows(self, index: Index) -> Extreme:
        """The bound from some of the stays."""
        return replace(self, returns=self.returns[index], weight=self.weight[index], propensity=self.propensity[index])


def _jumps(drawn: Array, below: Array, above: Array) -> Array:
    """Totals (R, N+1) of stays drawn (R, N) times where the first 0..N count `below` (N,), the others `above` (N,)."""
    totals = np.empty((len(drawn), len(below) + 1))
    totals[:, 0] = drawn @ above
    np.cumsum(drawn * (below - above), 1, out=totals[:, 1:])
    totals[:, 1:] += totals[:, :1]
    return totals
