"""A policy made surer of what it prefers, still stochastic: an entropy bonus leaves it undecided."""

from __future__ import annotations

from .mlp import MLP
from .network import NetworkPolicy


def sharpened(policy: NetworkPolicy, power: float) -> NetworkPolicy:
    """The policy with probabilities proportional to their `power`: 1 changes nothing, more goes towards the best guess.

    Its last layer times `power`, so that it stays a network policy. ValueError unless `power` is positive.
    """
    if not power > 0:
        raise ValueError(f"expected a positive power, got {power}")
    network = policy.network
    *layers, (weight, bias) = network.layers
    return NetworkPolicy(MLP((*layers, (weight * power, bias * power)), network.activation))
