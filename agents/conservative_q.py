"""Conservative Q-learning: double Q-learning that values low what clinicians did not do."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .dueling import double_target
from .greedy import GreedyPolicy
from .logbook import Logbook, unwritten
from .mlp import Activation
from .offline import Schedule, Told
from .records import LoggedData
from .replay import Replay, value_at
from .value_learning import ValueNetworks, learn_values


@dataclass(frozen=True)
class ConservativeQConfig:
    """Settings of conservative Q-learning."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    target_rate: float = 0.01  # of the slow network, per update
    discount: float = 1.0  # per decision
    per_hours: float | None = None  # or per so many hours
    caution: float = 0.1  # weight of the penalty; a survival reward spans 0..1
    schedule: Schedule = field(default_factory=Schedule)


def fit_conservative_q(
    source: LoggedData,
    config: ConservativeQConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> GreedyPolicy:
    """The greedy policy of conservative values: CQL(H), its weight fixed (Kumar et al. 2020, arXiv 2006.04779, eq. 4).

    Stops by the same loss on tuning patients. ValueError without caution, for that is double Q-learning.
    """
    if not config.caution > 0:
        raise ValueError(f"caution: expected a positive weight, got {config.caution}; without it use double_q")

    def loss(networks: ValueNetworks, batch: Replay) -> Tensor:
        target = double_target(networks.values, networks.slow, batch)
        values = networks.values(batch.obs)
        error = nn.functional.mse_loss(value_at(values, batch.action), target)
        return error + config.caution * overestimation(values, batch)

    told = Told(progress, "learning cautious values", log)
    return GreedyPolicy(learn_values(source, config, loss, seed=seed, told=told, checkpoint=checkpoint).values.folded())


def overestimation(values: Tensor, batch: Replay) -> Tensor:
    """How far the allowed actions together promise more than the one taken: log-sum-exp minus its value, on average."""
    if batch.allowed is not None:
        exist = batch.allowed.scatter(1, batch.action[:, None], True)  # what was taken exists, whatever a mask says
        values = values.masked_fill(~exist, -torch.inf)
    return (values.logsumexp(1) - value_at(values, batch.action)).mean()
