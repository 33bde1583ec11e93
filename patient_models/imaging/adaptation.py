"""Moving an encoder or a reader of films to another machine: with a few labels, or by its statistics with none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from .encoder import Encoder
from .encoder_training import Batch, EncoderTraining, calibrated, fit
from .film_reader import FilmReader

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def align_statistics(encoder: Encoder, hu: Tensor, *, momentum: float = 1.0) -> Encoder:
    """The encoder with the batch-normalisation statistics of unlabelled scans (B, [D,] H, W) of the new scanner.

    Li et al. (2018), "Adaptive batch normalization for practical domain adaptation", Pattern Recognition 80:109.
    With `momentum` below 1 the old statistics keep the rest. ValueError for fewer than 8 scans.
    """
    return Encoder(
        _aligned(encoder.network, hu, lambda network, part: network(part[:, None]), momentum), encoder.calibration
    )


def align_films(reader: FilmReader, grey: Tensor, *, momentum: float = 1.0) -> FilmReader:
    """The reader with the statistics of unlabelled films (B, H, W) of the new machine; see `align_statistics`."""
    return FilmReader(_aligned(reader.network, grey, lambda network, part: network(part), momentum), reader.calibration)


def _aligned(network: Network, pictures: Tensor, feed: Callable[[Network, Tensor], object], momentum: float) -> Network:
    """A copy of the network whose batch-normalisation statistics are those of the pictures (B, ...)."""
    if len(pictures) < 8:
        raise ValueError(f"statistics of {len(pictures)} pictures would be noise: give at least 8")
    network = copy.deepcopy(network)
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    old = [_statistics(layer).clone() for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    network.train()
    for part in pictures.split(64):
        feed(network, part)
    for layer, before in zip(layers, old, strict=True):
        layer.momentum = 0.1
        mixed = _statistics(layer).lerp(before, 1 - momentum)
        layer.load_state_dict({"running_mean": mixed[0], "running_var": mixed[1]}, strict=False)
    return network.eval()


def few_shot(encoder: Encoder, batch: Batch, *, steps: int = 60, seed: int = 0, learning_rate: float = 1e-3) -> Encoder:
    """The encoder fitted further to a few labelled scans of the new scanner, mirrored at random, and calibrated anew.

    Batch statistics are aligned first and stay as they are. ValueError where there is no scan.
    """
    hu, mask, size = batch
    if not len(hu):
        raise ValueError("few-shot adaptation needs at least one labelled scan, got none")
    aligned = align_statistics(encoder, hu) if len(hu) >= 8 else encoder
    network = copy.deepcopy(aligned.network)
    generator = torch.Generator().manual_seed(seed)

    def again(count: int, generator: torch.Generator) -> Batch:
        rows = torch.randint(len(hu), (count,), generator=generator)
        up = bool(torch.rand(1, generator=generator) < 0.5)
        flip = (-2,) if up else ()
        return hu[rows].flip(flip), mask[rows].flip(flip), size[rows]

    network.eval()
    fit(network, again, EncoderTraining(steps=steps, batch=16, learning_rate=learning_rate), generator)
    return calibrated(network, batch) if len(hu) >= 16 else Encoder(network, aligned.calibration)


def _statistics(layer: nn.BatchNorm2d | nn.BatchNorm3d) -> Tensor:
    """Running mean and variance (2, C)."""
    state = layer.state_dict()
    return torch.stack((state["running_mean"], state["running_var"]))
