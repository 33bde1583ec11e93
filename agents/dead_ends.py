"""Dead ends: how likely death is after each dose even under the best care that follows, learned from records."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Decisions, DiscretePolicy, Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .dueling import DuelingNetwork
from .greedy import GreedyPolicy
from .logbook import Logbook, unwritten
from .mlp import Activation
from .offline import Schedule, Told, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replay_of, value_at


@dataclass(frozen=True)
class DeadEndConfig:
    """Settings of the critic of death."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    sweeps: int = 8  # how many decisions ahead the best care is looked for; after them clinicians' own
    threshold: float = 0.3  # the best of what clinicians do with at least this share of their likeliest probability
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=10, updates=60, patience=2))  # of each sweep


def fit_dead_ends(
    source: LoggedData,
    died: tuple[Tensor, Tensor],
    behavior: DiscretePolicy,
    config: DeadEndConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> GreedyPolicy:
    """The care that avoids death best; `death_risk` reads its values as probabilities.

    Dead-end discovery (Fatemi et al. 2021, arXiv 2110.04186): -1 for death, nothing for anything else, no discount, so
    that Q_D (B, A) in -1..0 is minus the probability of death under the best continuation. Here by fitted Q iteration
    (Ernst et al. 2005, J Mach Learn Res 6:503) from above: at first how stays really ended, then sweep by sweep what
    the best likely action promises next. Every sweep is a regression that stops by its own likelihood on tuning
    patients, and stopping it early overstates the danger, never understates it. `died` says of every training and
    tuning stay whether it ended in death, (N,) bool each; `behavior` is the fitted clinician. ValueError for another
    shape, for a death of a stay that goes on, or where no training stay, or every one, ended in death.
    """
    if not bool(died[0].any()) or bool(died[0].all()):
        raise ValueError(f"expected some training stays to end in death and some not, got {int(died[0].sum())}")
    parts = [_only_death(part, dead) for part, dead in zip((source.train, source.tuning), died, strict=True)]
    data = [replay_of(part) for part in parts]
    targets = [dead[:, None].expand(part.mask.shape)[part.mask].float() for part, dead in zip(parts, died, strict=True)]
    usual = [_likely(behavior, replay, config.threshold) for replay in data]
    with seeded(seed):
        network = DuelingNetwork(data[0].obs.shape[1], config.actions, config.hidden, config.activation)
    for sweep in range(config.sweeps + 1):
        if sweep:
            before = copy.deepcopy(network)
            targets = [_onward(before, replay, may) for replay, may in zip(data, usual, strict=True)]
        told = Told(_share(progress, sweep, config.sweeps + 1), "learning dead ends", log)
        _regress(network, data, targets, config, seed + sweep, told, checkpoint.part(f"sweep_{sweep}"))
    return GreedyPolicy(network.folded())


def death_risk(critic: GreedyPolicy) -> Callable[[Tensor], Tensor]:
    """Probability (B, A) of death after each action, whatever is done then, from observations (B, O)."""

    def risk(obs: Tensor) -> Tensor:
        return torch.sigmoid(-critic.values(obs))

    return risk


def _regress(
    network: DuelingNetwork,
    data: list[Replay],
    targets: list[Tensor],
    config: DeadEndConfig,
    seed: int,
    told: Told,
    checkpoint: Checkpoint,
) -> None:
    """Fit the network, whose values are log odds of survival, to probabilities of death (M,)."""
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def loss(replay: Replay, target: Tensor) -> Tensor:
        odds = -value_at(network(replay.obs), replay.action)
        return nn.functional.binary_cross_entropy_with_logits(odds, target)

    def update(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(data[0].pick(rows), targets[0][rows]).backward()
        optimiser.step()

    learn_until(
        update,
        lambda: float(loss(data[1], targets[1])),
        {"network": network, "optimiser": optimiser},
        rows=len(data[0]),
        schedule=config.schedule,
        seed=seed,
        told=told,
        checkpoint=checkpoint,
    )


@torch.no_grad()
def _onward(network: DuelingNetwork, replay: Replay, may: Tensor) -> Tensor:
    """Probability of death (M,) after each transition: certain, over, or that of the safest action that follows."""
    safest = network(replay.next_obs).masked_fill(~may, -torch.inf).amax(1)
    return -replay.reward + replay.onward * torch.sigmoid(-safest)


@torch.no_grad()
def _likely(behavior: DiscretePolicy, replay: Replay, threshold: float) -> Tensor:
    """What clinicians are likely to do next (M, A) bool, within what is allowed there."""
    probs = behavior.probs(replay.next_obs, None)
    if replay.next_allowed is not None:
        probs = torch.where(replay.next_allowed, probs, 0.0)
    return probs >= threshold * probs.amax(1, keepdim=True)


def _only_death(decisions: Decisions, died: Tensor) -> Decisions:
    """The same decisions, of which only the last of a stay that ended in death is worth anything: -1."""
    if died.shape != decisions.terminated.shape or died.dtype != torch.bool:
        raise ValueError(
            f"died: expected {tuple(decisions.terminated.shape)} of True or False, got {tuple(died.shape)} {died.dtype}"
        )
    if bool((died & ~decisions.terminated).any()):
        raise ValueError("died: expected deaths among the stays that ended, got one of a stay that goes on")
    last = decisions.mask.sum(1, keepdim=True) - 1
    here = torch.arange(decisions.mask.shape[1], device=last.device) == last
    return decisions.replace(reward=torch.where(here & died[:, None], -1.0, 0.0))


def _share(progress: Progress, sweep: int, sweeps: int) -> Progress:
    def report(done: float, message: str) -> None:
        progress((sweep + done) / sweeps, f"{message}, sweep {sweep + 1} of {sweeps}")

    return report
