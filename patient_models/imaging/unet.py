"""The encoder's network: a small U-Net with one trunk for mask, size and embedding, in two or three dimensions.

Ronneberger, Fischer & Brox (2015), "U-Net: convolutional networks for biomedical image segmentation", MICCAI, made
small: the first convolution halves the resolution, so that a thousand pictures a second fit on one core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

LEAST_VOLUME, LEAST_DIAMETER = 0.01, 0.1  # cm3 and cm: what a size of 0 counts as, so that its logarithm exists
WINDOW = (-1000.0, 400.0)  # HU


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the network; ValueError where it cannot be built."""

    dimensions: int = 2
    channels: tuple[int, ...] = (8, 16, 32)
    embedding: int = 6
    pixel: tuple[float, ...] = (0.25, 0.25)  # cm, last axis last

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3) or len(self.pixel) != self.dimensions:
            raise ValueError(f"expected 2 or 3 dimensions and a pixel size for each, got {self}")
        if len(self.channels) < 2 or min(self.channels) < 1 or self.embedding < 1:
            raise ValueError(f"expected at least two levels of channels and an embedding, got {self}")


class Reading(NamedTuple):
    """Raw outputs for pictures (B, ...)."""

    mask: Tensor  # (B, ...) log-odds of the lesion in each pixel
    embedding: Tensor  # (B, E) in -1..1
    size: Tensor  # (B, 2) logarithms of volume (cm3) and longest diameter (cm)
    log_variance: Tensor  # (B, 2) of their errors


class UNet(nn.Module):
    """Pictures (B, 1, [D,] H, W) in HU to a `Reading`; each axis must be a multiple of 2^levels."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        conv = nn.Conv2d if config.dimensions == 2 else nn.Conv3d
        transposed = nn.ConvTranspose2d if config.dimensions == 2 else nn.ConvTranspose3d
        c = config.channels
        self.stem = conv(1, c[0], 4, 2, 1)
        self.down = nn.ModuleList(block(config.dimensions, a, b) for a, b in zip((c[0], *c), c, strict=False))
        self.up = nn.ModuleList(block(config.dimensions, a + b, a) for a, b in zip(c[:-1], c[1:], strict=True))
        self.mask = transposed(c[0], 1, 4, 2, 1)
        self.describe = nn.Sequential(nn.Linear(2 * c[-1] + 2, 48), nn.ReLU(), nn.Linear(48, config.embedding))
        self.size = nn.Linear(config.embedding + 2, 4)
        if config.dimensions == 2:  # channels last is half as fast again on a CPU
            nn.Module.to(self, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, hu: Tensor) -> Reading:
        """Mask, embedding and size with its predicted spread."""
        levels = len(self.config.channels)
        if any(side % 2**levels for side in hu.shape[2:]):
            raise ValueError(f"expected sides that are multiples of {2**levels}, got {tuple(hu.shape[2:])}: pad them")
        if hu.dim() == 4:
            hu = hu.contiguous(memory_format=torch.channels_last)
        x, kept = self.stem(scaled(hu)), []
        for level, layers in enumerate(self.down):
            x = layers(x if level == 0 else halved(x))
            kept.append(x)
        deepest = x
        for level in reversed(range(levels - 1)):
            x = self.up[level](torch.cat((kept[level], F.interpolate(x, scale_factor=2.0)), 1))
        log_odds = self.mask(x)
        extent = self._extent(log_odds)
        described = torch.cat((_pooled(deepest, log_odds), extent), 1)
        embedding = torch.tanh(self.describe(described))
        out = self.size(torch.cat((embedding, extent), 1))
        prior = torch.cat((1.5 * extent[:, :1], 0.5 * extent[:, :1]), 1)  # a disc's volume and diameter
        if self.config.dimensions == 3:
            prior = torch.cat((extent[:, :1], extent[:, :1] / 3), 1)
        return Reading(log_odds[:, 0], embedding, prior + out[:, :2], out[:, 2:].clamp(-7, 3))

    def _extent(self, log_odds: Tensor) -> Tensor:
        """Logarithm of the mask's area in cm2 (volume in cm3), and how sharp the mask is (B, 2)."""
        share = torch.sigmoid(log_odds).flatten(1)
        size = share.sum(1) * math.prod(self.config.pixel)
        sharp = (share * (1 - share)).sum(1) / share.sum(1).clamp_min(1e-3)
        return torch.stack(((size + 0.03).log(), sharp), 1)


def scaled(hu: Tensor) -> Tensor:
    """HU (...) within the window of the lung as -1..1."""
    low, high = WINDOW
    return ((hu - low) * (2 / (high - low)) - 1).clamp(-1, 1)


def block(dimensions: int, inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each with batch normalisation and a rectifier."""
    conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [conv(channels, outputs, 3, padding=1, bias=False), norm(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def halved(x: Tensor) -> Tensor:
    """Pictures (B, C, [D,] H, W) of half the resolution."""
    return F.max_pool2d(x, 2) if x.dim() == 4 else F.max_pool3d(x, 2)


def _pooled(x: Tensor, log_odds: Tensor) -> Tensor:
    """Features (B, 2C): their mean over the lesion as the mask sees it, and over the picture."""
    share = torch.sigmoid(log_odds)
    ratio = log_odds.shape[-1] // x.shape[-1]
    share = F.avg_pool2d(share, ratio) if x.dim() == 4 else F.avg_pool3d(share, ratio)
    weight = (share / share.flatten(1).sum(1).clamp_min(1e-3).view(-1, *[1] * (x.dim() - 1))).flatten(2)
    return torch.cat(((x.flatten(2) * weight).sum(2), x.flatten(2).mean(2)), 1)
