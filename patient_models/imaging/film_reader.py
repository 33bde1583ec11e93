"""The frozen reader of chest films: opacity with its predicted spread, and a compact embedding of where it lies."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .film_network import FilmConfig, FilmNetwork
from .network_files import on_device, read_text, read_weights, write_network
from .shipped import SHIPPED

NAME = "film"
_BATCH = 64


class FilmToken(NamedTuple):
    """What is read in films, each (B, ...)."""

    opacity: Tensor  # (B,) 0..1
    spread: Tensor  # (B,) predicted SD of its error
    embedding: Tensor  # (B, E) in -1..1


@dataclass(frozen=True, eq=False)
class FilmReader:
    """A network that no longer learns, and the factor by which its predicted spread was calibrated."""

    network: FilmNetwork
    calibration: float = 1.0

    @property
    def config(self) -> FilmConfig:
        """The network's shape."""
        return self.network.config

    @torch.no_grad()
    def read(self, grey: Tensor) -> FilmToken:
        """Read films (B, H, W), grey 0..1."""
        network = on_device(self.network.eval(), grey.device)
        parts = [self._some(network, part) for part in grey.split(_BATCH)]
        return FilmToken(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _some(self, network: FilmNetwork, grey: Tensor) -> FilmToken:
        reading = network(grey)
        return FilmToken(reading.opacity, (reading.log_variance / 2).exp() * self.calibration, reading.embedding)

    def save(self, folder: str | Path) -> Path:
        """Write the reader into `folder`, made if needed; FileExistsError where one already lies there."""
        text = {"kind": "film", "config": asdict(self.config), "calibration": self.calibration}
        return write_network(folder, NAME, self.network, text)


def load_film_reader(folder: str | Path) -> FilmReader:
    """What `FilmReader.save` wrote; FileNotFoundError or ValueError say what is missing or does not fit."""
    text = read_text(folder, NAME, "film")
    shape: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in text["config"].items()}
    network = read_weights(folder, NAME, FilmNetwork(FilmConfig(**shape)))
    return FilmReader(network, float(text["calibration"]))


@functools.lru_cache(maxsize=1)
def shipped_film_reader() -> FilmReader:
    """The reader that comes with the package, trained by `experiments/studies/film_reader.py`."""
    return load_film_reader(SHIPPED)
