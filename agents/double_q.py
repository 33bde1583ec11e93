"""Double deep Q-learning with a dueling network, on records: values without any caution about what was never tried."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .dueling import DuelingNetwork, double_target, follow
from .greedy import GreedyPolicy
from .mlp import Activation
from .offline import Schedule, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replay_of, value_at


@dataclass(frozen=True)
class DoubleQConfig:
    """Settings of double Q-learning."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    target_rate: float = 0.01  # of the slow network, per update
    discount: float = 1.0  # per decision
    per_hours: float | None = None  # or per so many hours
    schedule: Schedule = field(default_factory=Schedule)


def fit_double_q(
    source: LoggedData,
    config: DoubleQConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
) -> GreedyPolicy:
    """The greedy policy of values fitted to the double target of allowed actions (van Hasselt et al. 2016).

    Stops by the same loss on tuning patients.
    """
    train, tuning = (
        replay_of(part, discount=config.discount, per_hours=config.per_hours) for part in (source.train, source.tuning)
    )
    with seeded(seed):
        network = DuelingNetwork(train.obs.shape[1], config.actions, config.hidden, config.activation)
    slow = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def loss(batch: Replay) -> Tensor:
        target = double_target(network, slow, batch)
        return nn.functional.mse_loss(value_at(network(batch.obs), batch.action), target)

    def update(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(train.pick(rows)).backward()
        optimiser.step()
        follow(slow, network, config.target_rate)

    learn_until(
        update,
        lambda: float(loss(tuning)),
        {"network": network, "slow": slow, "optimiser": optimiser},
        rows=len(train),
        schedule=config.schedule,
        seed=seed,
        told=(progress, "learning values"),
        checkpoint=checkpoint,
    )
    return GreedyPolicy(network.folded())
