"""The frozen encoder: from scans to mask, size with its spread, and a compact embedding; kept without pickle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .network_files import file_names, on_device, read_text, read_weights, write_network
from .unet import LEAST_DIAMETER, LEAST_VOLUME, UNet, UNetConfig

NAME = "encoder"
ENCODER, WEIGHTS = file_names(NAME)
_BATCH = 64


class Encoding(NamedTuple):
    """What the encoder reads in scans, each (B, ...)."""

    mask: Tensor  # (B, [D,] H, W) bool
    embedding: Tensor  # (B, E) in -1..1
    volume: Tensor  # (B,) cm3
    diameter: Tensor  # (B,) cm, the longest
    volume_spread: Tensor  # (B,) predicted SD of the logarithm of the volume's error
    diameter_spread: Tensor  # (B,) the same of the diameter


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that no longer learns, and the factors (2,) by which its predicted spreads were calibrated."""

    network: UNet
    calibration: tuple[float, float] = (1.0, 1.0)

    @property
    def config(self) -> UNetConfig:
        """The network's shape."""
        return self.network.config

    @torch.no_grad()
    def encode(self, hu: Tensor) -> Encoding:
        """Read scans (B, [D,] H, W) in HU; ValueError where a side does not fit the network."""
        network = on_device(self.network.eval(), hu.device)
        return _join([self._some(network, part) for part in hu.split(_BATCH)])

    def _some(self, network: UNet, hu: Tensor) -> Encoding:
        reading = network(hu[:, None])
        volume, diameter = reading.size.exp().unbind(1)
        spread = (reading.log_variance / 2).exp() * reading.size.new_tensor(self.calibration)
        return Encoding(
            mask=reading.mask > 0,
            embedding=reading.embedding,
            volume=(volume - LEAST_VOLUME).clamp_min(0),
            diameter=(diameter - LEAST_DIAMETER).clamp_min(0),
            volume_spread=spread[:, 0],
            diameter_spread=spread[:, 1],
        )

    def save(self, folder: str | Path) -> Path:
        """Write the encoder into `folder`, made if needed; FileExistsError where one already lies there."""
        text = {"kind": "unet", "config": asdict(self.config), "calibration": list(self.calibration)}
        return write_network(folder, NAME, self.network, text)


def load_encoder(folder: str | Path) -> Encoder:
    """What `Encoder.save` wrote; FileNotFoundError or ValueError say what is missing or does not fit."""
    text = read_text(folder, NAME, "unet")
    shape: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in text["config"].items()}
    network = read_weights(folder, NAME, UNet(UNetConfig(**shape)))
    first, second = text["calibration"]
    return Encoder(network, (float(first), float(second)))


def _join(parts: list[Encoding]) -> Encoding:
    return parts[0] if len(parts) == 1 else Encoding(*(torch.cat(part) for part in zip(*parts, strict=True)))
