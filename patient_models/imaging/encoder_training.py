"""Training the encoder on rendered scans, a fresh batch at every step: nothing seen twice, so nothing memorised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...contracts import Progress, silent
from .encoder import Encoder
from .lesion import Lesions
from .render import Scanner, render
from .unet import LEAST_DIAMETER, LEAST_VOLUME, Reading, UNet, UNetConfig

NONE = 0.05  # share of scans without a lesion
Batch = tuple[Tensor, Tensor, Tensor]  # hu (B, [D,] H, W), mask (B, [D,] H, W) bool, volume and diameter (B, 2)
Source = Callable[[int, torch.Generator], Batch]


@dataclass(frozen=True)
class EncoderTraining:
    """How an encoder is trained."""

    steps: int = 600
    batch: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    calibration: int = 512  # fresh scans on which the predicted spread is scaled


@dataclass(frozen=True)
class Rendered:
    """Fresh scans of a scanner; 3-D ones as stacks of `slices` that far apart (cm), at half the resolution."""

    scanner: Scanner = field(default_factory=Scanner)
    smallest: float = 0.4  # cm
    largest: float = 13.0
    slices: int = 0  # 0: one slice
    spacing: float = 0.5  # cm

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        """`count` scans, diameters log-uniform."""
        lesions = draw_lesions(count, generator, self.smallest, self.largest)
        if not self.slices:
            scans = render(lesions, self.scanner)
            return scans.hu, scans.mask, torch.stack((lesions.volume, scans.diameter), 1)
        levels = tuple(self.spacing * (s - (self.slices - 1) / 2) for s in range(self.slices))
        scans = render(lesions, self.scanner, levels=levels)
        hu, share = (F.avg_pool3d(x.float()[:, None], (1, 2, 2))[:, 0] for x in (scans.hu, scans.mask))
        return hu, share > 0.5, torch.stack((lesions.volume, scans.diameter), 1)


def draw_lesions(count: int, generator: torch.Generator, smallest: float = 0.4, largest: float = 13.0) -> Lesions:
    """Lesions of new patients, of log-uniform diameter; one in twenty scans shows none."""
    share, none = torch.rand(2, count, generator=generator)
    aspect, anatomy, key = torch.randn(3, count, generator=generator)
    volume = math.pi / 6 * (smallest * (largest / smallest) ** share) ** 3
    return Lesions(torch.where(none < NONE, 0.0, volume), torch.exp(0.25 * aspect.abs()), anatomy, key)


def train_encoder(
    config: UNetConfig,
    source: Source,
    training: EncoderTraining | None = None,
    *,
    start: Encoder | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Encoder:
    """A new encoder, or a further round of training from `start`; its spreads are calibrated on fresh scans.

    Scans of another `seed` are other scans. The global generator is left as it was found.
    """
    training = training or EncoderTraining()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UNet(config)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    network.train()
    generator = torch.Generator().manual_seed(seed)
    fit(network, source, training, generator, progress)
    return calibrated(network, source(training.calibration, generator))


def fit(
    network: UNet, source: Source, training: EncoderTraining, generator: torch.Generator, progress: Progress = silent
) -> None:
    """Train in place: warm up, then fall to nothing along a cosine."""
    optimiser = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    for step in range(training.steps):
        rate = min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / training.steps))
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * rate
        hu, mask, size = source(training.batch, generator)
        loss = encoder_loss(network(hu[:, None]), mask, size)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 25 == 24:
            progress((step + 1) / training.steps, f"encoder, loss {loss.item():.3f}")


def encoder_loss(reading: Reading, mask: Tensor, size: Tensor) -> Tensor:
    """Dice and cross-entropy of the mask, and the negative log-likelihood of log volume and log diameter."""
    share, truth = torch.sigmoid(reading.mask).flatten(1), mask.flatten(1).float()
    overlap = 2 * (share * truth).sum(1) + 1
    dice = 1 - overlap / (share.sum(1) + truth.sum(1) + 1)
    entropy = F.binary_cross_entropy_with_logits(reading.mask.flatten(1), truth)
    error = (logarithms(size) - reading.size).clamp(-4, 4).square()
    likelihood = (error * torch.exp(-reading.log_variance) + reading.log_variance).mean() / 2
    return dice.mean() + 3 * entropy + 0.2 * likelihood


def logarithms(size: Tensor) -> Tensor:
    """Logarithms (B, 2) of volumes and diameters (B, 2), where 0 counts as the least that is told apart."""
    return (size + size.new_tensor((LEAST_VOLUME, LEAST_DIAMETER))).log()


@torch.no_grad()
def calibrated(network: UNet, batch: Batch) -> Encoder:
    """The encoder with its spreads scaled so that errors divided by them have 68 % within one."""
    hu, _, size = batch
    network.eval()
    parts = [network(part[:, None]) for part in hu.split(64)]
    error = logarithms(size) - torch.cat([p.size for p in parts])
    ratio = error.abs() / (torch.cat([p.log_variance for p in parts]) / 2).exp()
    first, second = ratio.quantile(0.6827, dim=0).tolist()
    return Encoder(network, (first, second))
