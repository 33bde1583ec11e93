"""Marginalised importance sampling: weights of states, not of whole trajectories."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .estimates import Estimate
from .logged import Numbers, array, inside, logged
from .occupancy_linear import linear_occupancy
from .occupancy_network import network_occupancy
from .occupancy_tabular import tabular_occupancy


def marginalized_importance_sampling(
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    state: Numbers,
    *,
    discount: float | Numbers = 1.0,
    model: Literal["linear", "network"] = "linear",
    seed: int = 0,
) -> Estimate:
    """Mean sum of rewards, each times the ratio of its state's probability under both policies and of its action's.

    The variance grows with the horizon, not exponentially in it, if `state` says all that the future depends on.
    `state` (N, T) whole numbers: ratios by counting (`tabular_occupancy`); (N, T, F) features, time left among them:
    ratios that balance the flow between states (`linear_occupancy`, or `network_occupancy` under `seed`), never
    better than model-based. The rest as in `logged`.
    """
    data = logged(reward, log_ratio, mask, discount)
    if np.ndim(array(state)) != 3:
        return tabular_occupancy(data, inside("state", state, data.mask))
    features = inside("state", state, data.mask, columns=True)
    if model == "linear":
        return linear_occupancy(data, features)
    if model == "network":
        return network_occupancy(data, features, seed)
    raise ValueError(f"model: expected linear or network, got {model!r}")
