"""One member of the ensemble: the network as it is trained, and its training with early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..contracts import Progress
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .learned_heads import Examples, negative_log_likelihood
from .length_buckets import length_buckets

_START = 0.05  # SD of the shared errors' first loadings, in scaled units
_UPDATES = 8  # at least so many in an epoch, however few the stays


@dataclass(frozen=True)
class LSTMConfig:
    """How an ensemble is built and trained."""

    members: int = 3
    hidden: int = 64
    epochs: int = 40  # at most
    patience: int = 8  # epochs without improvement on tuning stays before training stops
    batch_size: int = 64  # stays at most; fewer where an epoch would hold too few updates
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    bootstrap: bool = False  # each member from patients drawn anew, instead of from all of them
    bfloat16: bool = False  # the recurrence in half the bits, while training: faster where the processor knows them
    image_dropout: float = 0.0  # share of scans hidden from a member, so that a missing one is nothing new

    def __post_init__(self) -> None:
        free = ("weight_decay", "bootstrap", "bfloat16", "image_dropout")
        wrong = [name for name, value in vars(self).items() if value < (0 if name in free else 1e-9)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: expected a positive number, got {self}")


class MemberNetwork(nn.Module):
    """Raw outputs (N, T, P) of inputs (N, T, I): an affine function of the inputs plus one of an LSTM's state.

    The affine part starts at the linear patient and the rest at zero, so that training can only improve on it.
    """

    def __init__(self, affine: Tensor, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        width, outputs = affine.shape[0] - 1, affine.shape[1]
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.from_state = nn.Linear(hidden, outputs, bias=False)
        self.from_input = nn.Linear(width, outputs)
        with torch.no_grad():
            for parameter in self.lstm.parameters():
                parameter.uniform_(-1 / math.sqrt(hidden), 1 / math.sqrt(hidden), generator=generator)
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] += 1.0  # remember at first (Gers et al. 2000)
            self.from_state.weight.zero_()
            self.from_input.weight.copy_(affine[:-1].t())
            self.from_input.bias.copy_(affine[-1])
            features = (outputs - 2) // 4  # what errors share starts near zero, but not at it, where it has no slope
            self.from_input.bias[2 * features : 3 * features].normal_(0, _START, generator=generator)

    def forward(self, inputs: Tensor, bfloat16: bool = False) -> Tensor:
        """Raw outputs at every step; with `bfloat16` the recurrence is rounded, what is read off it is not."""
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bfloat16):
            states, _ = self.lstm(inputs)
        raw: Tensor = self.from_state(states.float()) + self.from_input(inputs)
        return raw


def train_member(
    network: MemberNetwork,
    data: tuple[Examples, Tensor],
    tuning: Examples,
    config: LSTMConfig,
    *,
    generator: torch.Generator,
    progress: Progress,
    checkpoint: Checkpoint = NOWHERE,
) -> float:
    """Train in place on examples whose stays count by weight (N,), and keep the epoch best on the tuning stays.

    Goes on from `checkpoint` where it holds anything, to the very weights of an unbroken training. Returns the best
    epoch's tuning loss in nats per decision.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    size = min(config.batch_size, max(1, len(data[1]) // _UPDATES))
    best, kept, waited, start = tuning_loss(network, tuning), _copy(network), 0, 0
    if (found := checkpoint.load()) is not None:
        best, kept, waited, start = (found[name] for name in ("best", "kept", "waited", "epoch"))
        network.load_state_dict(found["network"])
        optimiser.load_state_dict(found["optimiser"])
        generator.set_state(found["generator"])
    for epoch in range(start, config.epochs):
        if waited >= config.patience:
            break
        for parameters in optimiser.param_groups:
            parameters["lr"] = config.learning_rate * (0.05 + 0.95 * math.cos(math.pi / 2 * epoch / config.epochs) ** 2)
        train_epoch(network, optimiser, data, size, bfloat16=config.bfloat16, generator=generator)
        score = tuning_loss(network, tuning)
        best, kept, waited = (score, _copy(network), 0) if score < best else (best, kept, waited + 1)
        progress((epoch + 1) / config.epochs, f"epoch {epoch + 1}: tuning loss {score:.3f} (best {best:.3f})")
        checkpoint.save(
            last=waited >= config.patience or epoch + 1 == config.epochs,
            epoch=epoch + 1,
            best=best,
            kept=kept,
            waited=waited,
            network=network.state_dict(),
            optimiser=optimiser.state_dict(),
            generator=generator.get_state(),
        )
    network.load_state_dict(kept)
    return best


def _copy(network: MemberNetwork) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def train_epoch(
    network: MemberNetwork,
    optimiser: torch.optim.Optimizer,
    data: tuple[Examples, Tensor],
    size: int,
    *,
    bfloat16: bool,
    generator: torch.Generator,
) -> None:
    """One pass over the examples in random batches of `size` stays, each computed in buckets of about one length."""
    train, each = data
    length = train.mask.sum(1)
    decisions = float((length * each).sum()) / len(each)
    for rows in torch.randperm(len(each), generator=generator).split(size):
        optimiser.zero_grad()
        for bucket in length_buckets(rows, length):
            batch = train.rows(bucket, int(length[bucket].max()))
            nats = negative_log_likelihood(network(batch.inputs, bfloat16), batch)
            ((nats * each[bucket]).sum() / (len(rows) * decisions)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def tuning_loss(network: MemberNetwork, tuning: Examples) -> float:
    """Nats per decision on the tuning stays."""
    nats = negative_log_likelihood(network(tuning.inputs), tuning).sum()
    return float(nats / tuning.mask.sum().clamp_min(1))
