"""The network that reads chest films: the convolutions of the scans' U-Net on the way down, then one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .unet import block, halved

ZONES, GRID = 4, 3  # zones of the lungs; the last features are kept in so many rows and columns


@dataclass(frozen=True)
class FilmConfig:
    """Shape of the network; ValueError where it cannot be built."""

    channels: tuple[int, ...] = (8, 16, 32)
    hidden: int = 32
    embedding: int = 4

    def __post_init__(self) -> None:
        if not self.channels or min(*self.channels, self.hidden, self.embedding) < 1:
            raise ValueError(f"expected at least one level of channels, hidden units and an embedding, got {self}")


class FilmReading(NamedTuple):
    """Raw outputs for films (B, H, W)."""

    opacity: Tensor  # (B,) 0..1
    log_variance: Tensor  # (B,) of its error
    embedding: Tensor  # (B, E) in -1..1
    zones: Tensor  # (B, 4) 0..1, read from the embedding alone, so that it says where the water is


class FilmNetwork(nn.Module):
    """Films (B, H, W) as grey 0..1 to a `FilmReading`."""

    def __init__(self, config: FilmConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.stem = nn.Conv2d(1, c[0], 4, 2, 1)
        self.down = nn.ModuleList(block(2, a, b) for a, b in zip((c[0], *c), c, strict=False))
        self.describe = nn.Sequential(nn.Linear(GRID * GRID * c[-1], config.hidden), nn.ReLU())
        self.read = nn.Linear(config.hidden, 2)
        self.embed = nn.Linear(config.hidden, config.embedding)
        self.zones = nn.Linear(config.embedding, ZONES)
        nn.Module.to(self, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, grey: Tensor) -> FilmReading:
        """Opacity with its predicted spread, and what the embedding knows of the zones."""
        x = self.stem((2 * grey - 1)[:, None].contiguous(memory_format=torch.channels_last))
        for level, layers in enumerate(self.down):
            x = layers(x if level == 0 else halved(x))
        described = self.describe(F.adaptive_avg_pool2d(x, GRID).flatten(1))
        opacity, log_variance = self.read(described).unbind(1)
        embedding = torch.tanh(0.3 * self.embed(described))
        zones = torch.sigmoid(3 * self.zones(embedding))
        return FilmReading(torch.sigmoid(opacity), log_variance.clamp(-12, 0), embedding, zones)
