"""One small network that acts as the fitted clinician does: where a policy may start from instead of from chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from ..contracts import Decisions, DiscretePolicy, Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation, sequential
from .network import NetworkPolicy
from .offline import Part

_EVERY = 20  # updates between points of the curve


@dataclass(frozen=True)
class ImitationConfig:
    """The network and how long it learns."""

    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    updates: int = 600
    batch_size: int = 1024
    learning_rate: float = 5e-3


def imitate(
    decisions: Decisions,
    behavior: DiscretePolicy,
    config: ImitationConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> NetworkPolicy:
    """A network with the probabilities of `behavior` on the logged states, by least cross-entropy to all of them.

    The targets are whole distributions, so nothing of the sampling of actions is learned by heart. ValueError where
    no decision was made.
    """
    config = config or ImitationConfig()
    obs = decisions.obs[:, : decisions.mask.shape[1]][decisions.mask]
    if not len(obs):
        raise ValueError("expected at least one decision to imitate on, got none")
    target = behavior.probs(obs, None)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = sequential((obs.shape[1], *config.hidden, target.shape[1]), config.activation)
    optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, config.updates)
    parts: dict[str, Part] = {"module": module, "optimizer": optimizer, "schedule": schedule}
    for update in range(_resume(checkpoint, parts, generator), config.updates):
        rows = torch.randint(len(obs), (min(config.batch_size, len(obs)),), generator=generator)
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(module(obs[rows]), target[rows])
        loss.backward()
        optimizer.step()
        schedule.step()
        progress((update + 1) / config.updates, "imitating the clinician")
        if (update + 1) % _EVERY == 0:
            log("train/cross_entropy", float(loss.detach()), update + 1)
            learned = {name: part.state_dict() for name, part in parts.items()}
            checkpoint.save(update=update + 1, learned=learned, generator=generator.get_state())
    return NetworkPolicy(MLP.of(module, config.activation))


def _resume(checkpoint: Checkpoint, parts: Mapping[str, Part], generator: torch.Generator) -> int:
    """Put everything back as it was when it was interrupted: the number of updates done."""
    found = checkpoint.load()
    if found is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(found["learned"][name])
    generator.set_state(found["generator"])
    return int(found["update"])
