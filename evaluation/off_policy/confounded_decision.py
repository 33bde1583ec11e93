"""Bounds under one confounded decision, from the worst that those who were treated otherwise could have had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .estimates import Estimate
from .logged import Array, Logged, Numbers, array, logged
from .sensitivity import GAMMAS, Sensitivity, beyond_doubt, curve
from .weights import Weights, scale

_ROUNDS = 50  # of reweighted least squares; few are needed
_RIDGE = 1e-8  # of the mean diagonal


@dataclass(frozen=True, eq=False)
class Choice:
    """The decision in doubt: what both policies would do there, and what the outcome may depend on."""

    decision: int
    action: Array  # (N,) whole numbers, as taken
    target: Array  # (N, A) probabilities
    behavior: Array  # (N, A) nominal probabilities
    basis: Array  # (N, A, F) features of history and action, in which the worst case is linear
    kept: float = 0.0  # share of decisions that a blend leaves to the clinicians themselves: it is not in doubt


def confounded_decision(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    choice: Choice,
    *,
    gammas: Sequence[float] = GAMMAS,
    reference: float | None = None,
    discount: float | Numbers = 1.0,
) -> Sensitivity:
    """Bounds where the odds of any two actions at one decision differ by at most Gamma between hidden states.

    E[Y] = E sum_a pi(a) (b(a) E[Y | h, a] + (1 - b(a)) k(h, a)), where k is what patients who were not given a would
    have had under it. Their outcomes are those of the treated, reweighted by some L with L(y) <= Gamma L(y'); the
    least mean that this allows is an expectile, argmin_k E[(Y - k)_+^2 + Gamma (Y - k)_-^2 | h, a], fitted by
    asymmetric least squares with the ratios of later decisions as weights. Namkoong, Keramati, Yadlowsky & Brunskill
    (2020), theorem 1 and its loss; the weights b of the first part are normalised to their expectation. Rewards before
    the decision are weighted per-decision. Of a blend only the share that is not the clinicians' own is in doubt:
    `Choice.kept`, as in `marginal_sensitivity`. Model-based: k is fitted.
    """
    data = logged(reward, log_ratio, mask, discount)
    _check(choice, data)
    worst = {sign: _Worst(data, choice, sign) for sign in (-1.0, 1.0)}
    returns = float(data.returns.mean())
    return curve(lambda gamma, sign: worst[sign].bound(gamma), gammas, returns if reference is None else reference)


def basis_of(obs: Numbers, actions: int) -> Array:
    """Features (N, A, O + A) additive in standardised observations (N, O) and the action."""
    known = array(obs)
    spread = known.std(0)
    scaled = (known - known.mean(0)) / np.where(spread > 0, spread, 1.0)
    own = np.broadcast_to(np.eye(actions), (len(known), actions, actions))
    return np.concatenate((np.broadcast_to(scaled[:, None], (len(known), actions, known.shape[1])), own), 2)


class _Worst:
    """All that does not change with Gamma."""

    def __init__(self, data: Logged, choice: Choice, sign: float) -> None:
        at, stays = choice.decision, np.arange(len(data.mask))
        self._data, self._choice, self._sign = data, choice, sign
        self._there = data.mask[:, at]
        taken = np.where(self._there, choice.action, 0).astype(int)
        later = np.where(self._there, data.log_ratio[:, at + 1 :].sum(1), -np.inf)
        top = later.max()
        self._later = np.exp(later - (top if np.isfinite(top) else 0.0))  # (N,) weight after the decision
        self._outcome = -sign * data.reward[:, at:].sum(1)  # (N,) so that the least is looked for
        self._given = choice.basis[stays, taken]  # (N, F)
        self._sure = beyond_doubt(data, at, choice.kept, choice.behavior[stays, taken])

    def bound(self, gamma: float) -> Estimate:
        """The least, or largest, value under Gamma."""
        data, choice, at = self._data, self._choice, self._choice.decision
        coefficients = expectile(self._given, self._outcome, self._later * self._there, gamma)
        own = choice.target - choice.kept * choice.behavior  # without the clinicians' share
        others = (own * (1 - choice.behavior) * (choice.basis @ coefficients)).sum(1)
        weight, _ = scale(data.log_weight)
        before = weight[:, at - 1 : at] if at else np.ones((len(weight), 1))
        sure = weight[:, -1:] * (self._sure * self._there)[:, None]
        expected = choice.kept + (own * choice.behavior).sum(1)  # of `sure` over the actions that clinicians take
        treated = sure * self._outcome[:, None] * (before[:, 0] @ (expected * self._there) / before.sum())
        untreated = before * (others * self._there)[:, None]
        num = np.hstack((weight[:, :at] * data.reward[:, :at], -self._sign * treated, -self._sign * untreated))
        return Estimate(
            "lower bound" if self._sign < 0 else "upper bound",
            num,
            np.hstack((weight[:, :at], sure, before)),
            self_normalized=True,
            weights=(Weights.of(data),),
            model_based=True,
            notes=(f"hidden odds ratio up to {gamma:g} at decision {at}", "worst outcomes are linear in the features"),
        )


def expectile(features: Array, outcome: Array, weight: Array, gamma: float) -> Array:
    """Coefficients (F,) that minimise sum_i w_i (z_+^2 + Gamma z_-^2), z = y - f'k; Newey & Powell (1987)."""
    found: Array = np.zeros(features.shape[1])
    below = np.ones(len(outcome), bool)
    for _ in range(_ROUNDS):
        weighted = features * (weight * np.where(below, gamma, 1.0))[:, None]
        gram = weighted.T @ features
        ridge = _RIDGE * max(float(np.trace(gram)) / len(gram), 1e-300)
        found = np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), weighted.T @ outcome))
        previous, below = below, outcome < features @ found
        if (previous == below).all():
            break
    return np.asarray(found)


def _check(choice: Choice, data: Logged) -> None:
    stays, decisions = data.mask.shape
    if not 0 <= choice.decision < decisions:
        raise ValueError(f"decision: expected 0..{decisions - 1}, got {choice.decision}")
    actions = choice.target.shape[1]
    for name, found in (("behavior", choice.behavior.shape), ("target", choice.target.shape)):
        if found != (stays, actions):
            raise ValueError(f"{name}: expected shape {(stays, actions)}, got {found}")
    if choice.basis.shape[:2] != (stays, actions) or choice.action.shape != (stays,):
        raise ValueError(
            f"basis and action: expected shapes {(stays, actions)} + (F,) and {(stays,)}, "
            f"got {choice.basis.shape} and {choice.action.shape}"
        )
