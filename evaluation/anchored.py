"""A simulator's word tied to what was observed: the observed value plus the simulated gain over the same clinicians."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ..contracts import Decisions
from .off_policy.logged import Array, logged
from .true_value import Value


def anchored(value: Value, clinician: Value, observed: Array, *, level: float = 0.95) -> tuple[float, float, float]:
    """Value, low and high: mean of the `observed` returns (N,), plus what a policy gains over the fitted clinician.

    Both are rolled out in one simulator on the same patients, so that what it has wrong about everybody cancels; what
    it has wrong about doses that clinicians do not give does not. The interval adds the variances of both means and is
    normal. ValueError for different numbers of simulated stays, or fewer than two observed ones.
    """
    if len(value.returns) != len(clinician.returns):
        raise ValueError(
            f"expected both on the same patients, got {len(value.returns)} and {len(clinician.returns)}: "
            "roll both out with the same seed and number of stays"
        )
    if len(observed) < 2:
        raise ValueError(f"expected at least two observed stays, got {len(observed)}")
    gain = value.returns - clinician.returns
    found = float(observed.mean() + gain.mean())
    variance = observed.var(ddof=1) / len(observed) + gain.var(ddof=1) / max(len(gain), 1)
    half = float(stats.norm.ppf((1 + level) / 2) * np.sqrt(variance))
    return found, found - half, found + half


def observed_returns(decisions: Decisions, discount: float) -> Array:
    """Discounted return (N,) of each logged stay."""
    reward = decisions.reward
    stays: Array = logged(reward, reward.new_zeros(reward.shape), decisions.mask, discount).returns
    return stays
