"""Behaviour cloning: a policy that does what clinicians did, within what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation, sequential
from .network import NetworkPolicy
from .offline import Schedule, Told, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replay_of


@dataclass(frozen=True)
class CloningConfig:
    """Settings of behaviour cloning."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    schedule: Schedule = field(default_factory=Schedule)


def fit_cloning(
    source: LoggedData,
    config: CloningConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> NetworkPolicy:
    """The policy of greatest likelihood among the allowed actions; decisions against a mask are left out.

    Stops by the likelihood of what was done to tuning patients. Unlike the fitted clinician (`behavior`) it honours
    masks: a policy to deploy, not the denominator of weights.
    """
    train, tuning = (_lawful(replay_of(part)) for part in (source.train, source.tuning))
    with seeded(seed):
        network = sequential((train.obs.shape[1], *config.hidden, config.actions), config.activation)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def loss(batch: Replay) -> Tensor:
        return nn.functional.cross_entropy(_masked(network(batch.obs), batch.allowed), batch.action)

    def update(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(train.pick(rows)).backward()
        optimiser.step()

    learn_until(
        update,
        lambda: float(loss(tuning)),
        {"network": network, "optimiser": optimiser},
        rows=len(train),
        schedule=config.schedule,
        seed=seed,
        told=Told(progress, "cloning the clinicians", log),
        checkpoint=checkpoint,
    )
    return NetworkPolicy(MLP.of(network, config.activation))


def _masked(logits: Tensor, allowed: Tensor | None) -> Tensor:
    return logits if allowed is None else logits.masked_fill(~allowed, -torch.inf)


def _lawful(replay: Replay) -> Replay:
    """The decisions that the mask allows; ValueError where there is none."""
    if replay.allowed is None:
        return replay
    fine = replay.allowed.gather(1, replay.action[:, None])[:, 0]
    if not bool(fine.any()):
        raise ValueError("every logged decision is forbidden by the mask: are records and constraints of one task?")
    return replay.pick(fine.nonzero()[:, 0])
