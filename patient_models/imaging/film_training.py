"""Training the reader of chest films on rendered ones, a fresh batch at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...contracts import Progress, silent
from .film import FilmPictures, Films, Technique, render_films
from .film_network import FilmConfig, FilmNetwork, FilmReading
from .film_reader import FilmReader

ZONE_WEIGHT = 20.0  # of the zones' squared errors in the loss


@dataclass(frozen=True)
class FilmTraining:
    """How a reader is trained."""

    steps: int = 600
    batch: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    calibration: int = 1024  # fresh films on which the predicted spread is scaled


def draw_films(count: int, generator: torch.Generator, lowest: float = 0.0, highest: float = 0.95) -> Films:
    """Films of new patients: half of them of any opacity as likely as another, half of the lowest third."""
    share, kind = torch.rand(2, count, generator=generator)
    anatomy, key = torch.randn(2, count, generator=generator)
    return Films(lowest + (highest - lowest) * torch.where(kind < 0.5, share / 3, share), anatomy, key)


def train_film_reader(
    config: FilmConfig,
    training: FilmTraining | None = None,
    *,
    technique: Technique | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FilmReader:
    """A new reader; its spread is calibrated on fresh films. The global generator is left as it was found."""
    training = training or FilmTraining()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FilmNetwork(config)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    network.train()
    for step in range(training.steps):
        rate = min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / training.steps))
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * rate
        films = draw_films(training.batch, generator)
        pictures = render_films(films, technique)
        loss = film_loss(network(pictures.grey), films.opacity, pictures)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 25 == 24:
            progress((step + 1) / training.steps, f"film reader, loss {loss.item():.3f}")
    fresh = draw_films(training.calibration, generator)
    return calibrated_reader(network, render_films(fresh, technique).grey, fresh.opacity)


def film_loss(reading: FilmReading, opacity: Tensor, pictures: FilmPictures) -> Tensor:
    """Negative log-likelihood of the opacity (B,), and squared errors of the zones."""
    error = (opacity - reading.opacity).square()
    likelihood = (error * torch.exp(-reading.log_variance) + reading.log_variance).mean() / 2
    return likelihood + 10 * error.mean() + ZONE_WEIGHT * (reading.zones - pictures.zones).square().mean()


@torch.no_grad()
def calibrated_reader(network: FilmNetwork, grey: Tensor, opacity: Tensor) -> FilmReader:
    """The reader with its spread scaled so that errors divided by it have 68 % within one."""
    plain = FilmReader(network).read(grey)
    ratio = (opacity - plain.opacity).abs() / plain.spread
    return FilmReader(network.eval(), float(ratio.quantile(0.6827)))
