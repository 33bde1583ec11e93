"""Double deep Q-learning with a dueling network, on records: values without any caution about what was never tried."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    log: Logbook = unwritten,
) -> GreedyPolicy:
    """The greedy policy of values fitted to the double target of allowed actions (van Hasselt et al. 2016).

    Stops by the same loss on tuning patients.
    """

    def loss(networks: ValueNetworks, batch: Replay) -> Tensor:
        target = double_target(networks.values, networks.slow, batch)
        return nn.functional.mse_loss(value_at(networks.values(batch.obs), batch.action), target)

    told = Told(progress, "learning values", log)
    return GreedyPolicy(learn_values(source, config, loss, seed=seed, told=told, checkpoint=checkpoint).values.folded())
