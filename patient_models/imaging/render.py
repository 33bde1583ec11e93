"""Rendering scans: CT-like slices of a chest with its lesion and the lesion's mask, many at once.

A picture is a pure function of the lesion and of the scan's key, whoever else is in the batch. HU of the parts are
design choices.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import ndtr

from ...trajectories.noise import normals
from .chest import FIELD, PIXEL, PIXELS, chests
from .lesion import HARMONICS, PIXEL_NOISE, Lesions, Outline, bits, longest_diameter, outline

LESION, SPREAD, NECROSIS, HALO = 38.0, 12.0, -28.0, 120.0  # HU: mean, between patients, core, rim of the lung
NECROTIC = 2.0  # cm: radius from which the core is necrotic
_PLACES = 1 << 20  # windows of the field of noise
_CHUNK = 32  # pictures at a time: what fits into the cache


@dataclass(frozen=True)
class Scanner:
    """How pictures are taken; another scanner is another of these."""

    noise: float = 18.0  # SD in HU
    thickness: float = 0.5  # cm of a slice
    blur: float = 0.5  # 0 sharp .. 1 soft: share of a pixel that comes from its neighbours, in each direction
    offset: float = 0.0  # HU added
    gain: float = 1.0  # on HU above air
    wall: float = 0.35  # share of patients whose lesion touches the chest wall or the mediastinum
    contrast: float = 1.0  # of the lesion with the lung: below 1 air is left in it, as in ground glass

    def __post_init__(self) -> None:
        shares = (self.blur, self.wall, self.contrast)
        if not (self.noise >= 0 and self.thickness > 0 and all(0 <= share <= 1 for share in shares)):
            raise ValueError(f"expected noise >= 0, thickness > 0 and blur, wall and contrast in 0..1, got {self}")


class Scans(NamedTuple):
    """Rendered slices (B, ...) or stacks of them (B, S, ...)."""

    hu: Tensor  # (B, [S,] 96, 96)
    mask: Tensor  # (B, [S,] 96, 96) bool: the lesion fills more than half of the pixel
    diameter: Tensor  # (B,) cm, the longest of the largest slice


WINDOW = (-1000.0, 400.0)  # HU shown as black and as white


def as_bytes(hu: Tensor) -> Tensor:
    """HU (...) as grey levels (...) uint8, linear in the window of the lung."""
    low, high = WINDOW
    return ((hu - low) * (255 / (high - low))).round_().clamp_(0, 255).to(torch.uint8)


@torch.no_grad()
def render(lesions: Lesions, scanner: Scanner | None = None, *, levels: tuple[float, ...] | None = None) -> Scans:
    """Slices (B, 96, 96) through the middle of each lesion, or at `levels` (cm above it) as stacks (B, S, 96, 96)."""
    scanner = scanner or Scanner()
    parts = [_some(Lesions(*part), scanner, levels) for part in zip(*(x.split(_CHUNK) for x in lesions), strict=True)]
    return Scans(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _some(lesions: Lesions, scanner: Scanner, levels: tuple[float, ...] | None) -> Scans:
    bank = chests(lesions.volume.device)
    placed = outline(lesions, bank, scanner.wall)
    share, depth = _shares(placed, scanner.thickness, levels or (0.0,))
    share = share * bank.body[placed.chest][:, None]
    lung = bank.hu[placed.chest][:, None]
    hu = torch.lerp(lung + HALO * _halo(depth, lung), _inside(placed, depth, lesions), share * scanner.contrast)
    hu = _detected(hu, bits(lesions.key), scanner)
    mask = share > 0.5
    if levels is None:
        hu, mask = hu[:, 0], mask[:, 0]
    return Scans(hu, mask, longest_diameter(placed))


def _shares(o: Outline, thickness: float, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """How much of each voxel the lesion fills (B, S, H, W), and depth below its outline (B, 1, H, W) in cm."""
    axis = (torch.arange(PIXELS, device=o.radius.device) + 0.5) * PIXEL - FIELD / 2
    x, y = axis - o.middle[:, :1], axis - o.middle[:, 1:]  # (B, W), (B, H)
    along, across = o.turn[:, 0], o.turn[:, 1]
    u = _plane(x * (along / o.stretch)[:, None], y * (across / o.stretch)[:, None])
    v = _plane(x * (-across * o.stretch)[:, None], y * (along * o.stretch)[:, None])
    square = u * u + v * v
    distance = square.sqrt().clamp_min_(1e-4)
    reach = _reach(o, u / distance, v / distance)
    half = (reach * reach - square).clamp_min_(0).sqrt_()  # half-height of the lesion above and below the pixel
    if len(levels) == 1 and levels[0] == 0:
        share = (half * (2 / thickness)).clamp_max_(1)[:, None]
    else:
        at = torch.tensor(levels, device=half.device)[:, None, None]
        top = torch.minimum(at + thickness / 2, half[:, None])
        share = (top - torch.maximum(at - thickness / 2, -half[:, None])).clamp_(0, thickness) / thickness
    return share, (reach - distance)[:, None]


def _plane(x: Tensor, y: Tensor) -> Tensor:
    """(B, H, W) sums of columns x (B, W) and rows y (B, H)."""
    return x[:, None, :] + y[:, :, None]


def _reach(o: Outline, cosine: Tensor, sine: Tensor) -> Tensor:
    """Radius of the outline (B, H, W) cm in directions of this cosine and sine, by Clenshaw's recurrence."""
    twice = 2 * cosine
    b1 = b2 = a1 = a2 = torch.zeros_like(cosine)
    for k in range(HARMONICS[-1], 0, -1):
        place = HARMONICS.index(k) if k in HARMONICS else None
        b1, b2 = torch.mul(twice, b1).sub_(b2), b1
        a1, a2 = torch.mul(twice, a1).sub_(a2), a1
        if place is not None:
            b1.add_(o.cosine[:, place, None, None])
            a1.add_(o.sine[:, place, None, None])
    deviation = (b1 * cosine).sub_(b2).addcmul_(a1, sine)
    return deviation.add_(o.mean[:, None, None]).mul_(o.radius[:, None, None])


def _halo(depth: Tensor, lung: Tensor) -> Tensor:
    """Ground glass (B, 1, H, W) 0..1 around the lesion, in the lung alone."""
    return torch.exp((depth * 3.0).clamp_max_(0)) * (lung < -600)


def _inside(o: Outline, depth: Tensor, lesions: Lesions) -> Tensor:
    """HU of the lesion (B, 1, H, W): one level per patient, darker in the core of a large one."""
    level = LESION + SPREAD * torch.sin(37 * lesions.anatomy)[:, None, None, None]
    radius = o.radius[:, None, None, None]
    core = (depth / radius.clamp_min(0.1) - 0.45).mul_(4).clamp_(0, 1)
    return level + (NECROSIS - LESION) * core * (radius > NECROTIC)


def _detected(hu: Tensor, key: Tensor, scanner: Scanner) -> Tensor:
    """What the scanner makes of HU (B, S, H, W): noise of its own, blur, offset and gain."""
    slices = hu.shape[1]
    side = scanner.blur / 3
    keep = (1 - 2 * side) ** 2 + 2 * side**2  # of the variance, in each direction
    if scanner.noise:
        for s in range(slices):
            hu[:, s].add_(_white(key, s), alpha=scanner.noise / keep)
    for dimension in (2, 3):
        near = torch.cat((hu.narrow(dimension, 0, 1), hu.narrow(dimension, 0, PIXELS - 1)), dimension)
        far = torch.cat((hu.narrow(dimension, 1, PIXELS - 1), hu.narrow(dimension, PIXELS - 1, 1)), dimension)
        hu = hu.mul(1 - 2 * side).add_(near.add_(far), alpha=side)
    if scanner.gain != 1 or scanner.offset:
        hu = (hu + 1000) * scanner.gain - 1000 + scanner.offset
    return hu.clamp_(-1024, 1500)


def _white(key: Tensor, slice_number: int) -> Tensor:
    """White noise (B, H, W) of unit SD: the sum of two windows of a fixed field, at places that each key decides."""
    zero = torch.zeros_like(key)
    place = (ndtr(normals(key, zero + slice_number, zero, 2, stream=PIXEL_NOISE)) * _PLACES).long()
    windows = _field(key.device)
    both = windows[place[:, 0].clamp(0, _PLACES - 1)].add_(windows[place[:, 1].clamp(0, _PLACES - 1)])
    return both.mul_(0.5**0.5).view(-1, PIXELS, PIXELS)


@functools.lru_cache(maxsize=4)
def _field(device: torch.device) -> Tensor:
    """All windows (_PLACES, H x W) of a fixed row of standard normals, as a view of it."""
    pixels = PIXELS * PIXELS
    rows = torch.arange(-(-(_PLACES + pixels) // 4096), device=device)
    row = normals(rows, torch.zeros_like(rows), torch.zeros_like(rows), 4096, stream=PIXEL_NOISE).flatten()
    return row.as_strided((_PLACES, pixels), (1, 1))
