"""Fitting the clinician from logged decisions: likelihood, early stopping, then calibration on tuning patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ...contracts import Decisions, Progress, silent
from ...trajectories.checkpoint import NOWHERE, Checkpoint
from ..logbook import Logbook, unwritten
from ..mlp import MLP
from ..records import LoggedData, action_counts, flatten
from .calibration import calibrate
from .isotonic import fit_isotonic
from .nearest import fit_nearest
from .network import Aids, Pairs, fit_network
from .policy import BehaviorPolicy
from .scores import Scores
from .trees import fit_trees

Kind = Literal["logistic", "network", "trees", "nearest"]


@dataclass(frozen=True)
class BehaviorConfig:
    """How the clinician is fitted."""

    actions: int  # A
    kind: Kind = "network"  # multinomial logistic regression, hidden layers, boosted trees, or neighbours as a check
    calibration: Literal["temperature", "isotonic"] = "temperature"  # isotonic follows temperature
    hidden: tuple[int, ...] = (64, 64, 64)
    members: int = 2  # networks averaged; a logistic regression needs one
    epochs: int = 60
    patience: int = 6  # epochs without a better tuning likelihood
    batch_size: int = 512  # at most; fewer where that would leave under 20 updates an epoch
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    averaging: float = 0.99  # decay of the running mean of the weights, which is what is kept
    rounds: int = 60  # of boosting at most, a tree for each action in each
    neighbours: int = 50


def fit_behavior(
    train: Decisions,
    tuning: Decisions,
    config: BehaviorConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> BehaviorPolicy:
    """The clinicians' action probabilities, learned on `train`, stopped and calibrated on `tuning` patients.

    Networks go on from a checkpoint where they were interrupted; trees and neighbours start over. ValueError where
    either holds no decision.
    """
    fitting, held = flatten(train, config.actions), flatten(tuning, config.actions)
    counts = action_counts(fitting[1], config.actions) + 1.0
    base = 0.5 * counts / counts.sum() + 0.5 / config.actions
    scores: tuple[Scores, ...]
    if config.kind == "trees":
        scores = (fit_trees(fitting, held, config.actions, rounds=config.rounds, seed=seed),)
    elif config.kind == "nearest":
        scores = (fit_nearest(*fitting, base, config.neighbours, seed),)
    else:
        scores = _networks(fitting, held, config, seed, Aids(progress, checkpoint, log))
    progress(1.0, "fitting the clinician")
    temperature, share = calibrate([member(held[0]) for member in scores], base, held[1])
    policy = BehaviorPolicy(scores, base, temperature, share)
    if config.calibration == "temperature":
        return policy
    return replace(policy, isotonic=fit_isotonic(policy.probs(held[0], None), held[1]))


def _networks(train: Pairs, tuning: Pairs, config: BehaviorConfig, seed: int, aids: Aids) -> tuple[MLP, ...]:
    (obs, action), (tuning_obs, tuning_action) = train, tuning
    center, gain = _standard(obs)
    scaled = ((obs - center) * gain, action), ((tuning_obs - center) * gain, tuning_action)
    members = 1 if config.kind == "logistic" else config.members
    networks = []
    for k in range(members):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed + k)
            network = fit_network(*scaled, config, aids.of_member(k, members))
        networks.append(_unscaled(network, center, gain))
    return tuple(networks)


def fit_behavior_agent(
    source: LoggedData, config: BehaviorConfig, *, seed: int = 0, progress: Progress = silent
) -> BehaviorPolicy:
    """`fit_behavior`, as an entry of AGENTS."""
    return fit_behavior(source.train, source.tuning, config, seed=seed, progress=progress)


def fit_logistic_agent(
    source: LoggedData, config: BehaviorConfig, *, seed: int = 0, progress: Progress = silent
) -> BehaviorPolicy:
    """Multinomial logistic regression, as an entry of AGENTS."""
    return fit_behavior_agent(source, replace(config, kind="logistic"), seed=seed, progress=progress)


def fit_trees_agent(
    source: LoggedData, config: BehaviorConfig, *, seed: int = 0, progress: Progress = silent
) -> BehaviorPolicy:
    """Gradient-boosted trees, as an entry of AGENTS."""
    return fit_behavior_agent(source, replace(config, kind="trees"), seed=seed, progress=progress)


def fit_nearest_agent(
    source: LoggedData, config: BehaviorConfig, *, seed: int = 0, progress: Progress = silent
) -> BehaviorPolicy:
    """Nearest neighbours, as an entry of AGENTS."""
    return fit_behavior_agent(source, replace(config, kind="nearest"), seed=seed, progress=progress)


def _standard(obs: Tensor) -> tuple[Tensor, Tensor]:
    """Center and gain (O,) that standardise; gain 0 where a column never varied and so can teach nothing."""
    deviation = obs.std(0, correction=0)
    return obs.mean(0), torch.where(deviation > 1e-4, 1 / deviation.clamp_min(0.05), 0.0)


def _unscaled(network: MLP, center: Tensor, gain: Tensor) -> MLP:
    """The same network on raw observations: the standardisation folded into its first layer."""
    (weight, bias), *rest = network.layers
    folded = weight * gain
    return MLP(((folded, bias - folded @ center), *rest), network.activation)
