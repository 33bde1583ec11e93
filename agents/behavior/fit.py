"""Fitting the clinician from logged decisions: likelihood, early stopping, then calibration on tuning patients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ...contracts import Decisions, Progress, silent
from ..mlp import MLP, Activation, sequential
from ..records import LoggedData, action_counts, flatten
from .calibration import calibrate
from .isotonic import fit_isotonic
from .nearest import fit_nearest
from .policy import BehaviorPolicy
from .scores import Scores
from .trees import fit_trees

ACTIVATION: Activation = "tanh"  # doses are smooth functions of what is seen
Pairs = tuple[Tensor, Tensor]  # observations (M, O), actions (M,) int64


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
    train: Decisions, tuning: Decisions, config: BehaviorConfig, *, seed: int = 0, progress: Progress = silent
) -> BehaviorPolicy:
    """The clinicians' action probabilities, learned on `train`, stopped and calibrated on `tuning` patients.

    ValueError where either holds no decision.
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
        scores = _networks(fitting, held, config, seed, progress)
    progress(1.0, "fitting the clinician")
    temperature, share = calibrate([member(held[0]) for member in scores], base, held[1])
    policy = BehaviorPolicy(scores, base, temperature, share)
    if config.calibration == "temperature":
        return policy
    return replace(policy, isotonic=fit_isotonic(policy.probs(held[0], None), held[1]))


def _networks(train: Pairs, tuning: Pairs, config: BehaviorConfig, seed: int, progress: Progress) -> tuple[MLP, ...]:
    (obs, action), (tuning_obs, tuning_action) = train, tuning
    center, gain = _standard(obs)
    scaled = ((obs - center) * gain, action), ((tuning_obs - center) * gain, tuning_action)
    members = 1 if config.kind == "logistic" else config.members
    networks = []
    for k in range(members):

        def report(done: float, k: int = k) -> None:
            progress((k + done) / members, "fitting the clinician")

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed + k)
            network = _fit(*scaled, config, report)
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


def _fit(train: Pairs, tuning: Pairs, config: BehaviorConfig, report: Callable[[float], None]) -> MLP:
    """One network by maximal likelihood: the averaged weights of the epoch with the best tuning likelihood."""
    obs, action = train
    hidden = config.hidden if config.kind == "network" else ()
    module = sequential((obs.shape[1], *hidden, config.actions), ACTIVATION).to(obs.device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    averaged, size = copy.deepcopy(module), _batch_size(len(obs), config.batch_size)
    best, kept, waited, updates = float("inf"), MLP.of(averaged, ACTIVATION), 0, 0
    for epoch in range(config.epochs):
        for rows in torch.split(torch.randperm(len(obs)).to(obs.device), size):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(module(obs[rows]), action[rows]).backward()
            optimizer.step()
            updates += 1
            _average(averaged, module, min(config.averaging, updates / (updates + 10)))
        candidate = MLP.of(averaged, ACTIVATION)
        loss = float(nn.functional.cross_entropy(candidate(tuning[0]), tuning[1]))
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, kept = loss, candidate
        report((epoch + 1) / config.epochs)
        if waited >= config.patience:
            break
    report(1.0)
    return kept


def _batch_size(decisions: int, most: int) -> int:
    return max(16, min(most, decisions // 20))


@torch.no_grad()
def _average(averaged: nn.Module, module: nn.Module, decay: float) -> None:
    """Running mean of the weights along the path (Polyak & Juditsky 1992): lower and better calibrated loss."""
    for mean, weight in zip(averaged.parameters(), module.parameters(), strict=True):
        mean.lerp_(weight, 1 - decay)


def _standard(obs: Tensor) -> tuple[Tensor, Tensor]:
    """Center and gain (O,) that standardise; gain 0 where a column never varied and so can teach nothing."""
    deviation = obs.std(0, correction=0)
    return obs.mean(0), torch.where(deviation > 1e-4, 1 / deviation.clamp_min(0.05), 0.0)


def _unscaled(network: MLP, center: Tensor, gain: Tensor) -> MLP:
    """The same network on raw observations: the standardisation folded into its first layer."""
    (weight, bias), *rest = network.layers
    folded = weight * gain
    return MLP(((folded, bias - folded @ center), *rest), network.activation)
