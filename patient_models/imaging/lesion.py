"""The shape and place of a lesion: an outline r(angle) around its middle, the same at every scan but for its size.

The outline is that of the lesion's largest slice; above and below it the lesion is as round as a sphere. All of it
follows from one standard normal of the patient, so that the pictures of a patient belong together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import ndtr

from ...trajectories.noise import normals
from .chest import BANK, Chests

HARMONICS = (2, 3, 4, 5, 6, 7)
ROUGHNESS = 0.12  # SD of the outline relative to its radius, a design choice
ANATOMY, PIXEL_NOISE = 11, 12  # noise streams
_ANGLES = 72


class Lesions(NamedTuple):
    """What pictures are made of, each (B,)."""

    volume: Tensor  # cm3; 0: no lesion
    aspect: Tensor  # longest over shortest diameter of the smooth outline
    anatomy: Tensor  # a standard normal of the patient
    key: Tensor  # a standard normal of the scan


class Outline(NamedTuple):
    """Lesions placed in their chests; lengths in cm."""

    chest: Tensor  # (B,) int64 number in the bank
    radius: Tensor  # (B,) of the sphere of the same volume
    middle: Tensor  # (B, 2) x and y
    turn: Tensor  # (B, 2) cosine and sine of the long axis
    stretch: Tensor  # (B,) square root of the aspect
    cosine: Tensor  # (B, K) coefficients of cos(k angle) of the relative outline
    sine: Tensor  # (B, K)
    mean: Tensor  # (B,) of the relative outline, so that the volume comes out right


def bits(z: Tensor) -> Tensor:
    """The bits of standard normals (B,) float32 as keys (B,) int64."""
    return z.contiguous().view(torch.int32).to(torch.int64)


def outline(lesions: Lesions, chests: Chests, wall: float) -> Outline:
    """Place lesions; a share `wall` of patients has the lesion on the chest wall or the mediastinum, others within.

    In float64 on the way: an edge is so steep that a rounding in another batch would show.
    """
    rows = bits(lesions.anatomy)
    zero = torch.zeros_like(rows)
    z = normals(rows, zero, zero, 6 + 2 * len(HARMONICS), stream=ANATOMY).double()
    chest = (ndtr(lesions.anatomy.double()) * BANK).long().clamp(0, BANK - 1)
    radius = (lesions.volume.double().clamp_min(0) * (3 / (4 * math.pi))) ** (1 / 3)
    decay = z.new_tensor([ROUGHNESS * 1.2 / k**0.8 for k in HARMONICS])
    cosine, sine = decay * z[:, 6 : 6 + len(HARMONICS)], decay * z[:, 6 + len(HARMONICS) :]
    angle = math.pi * ndtr(z[:, 0])
    placed = Outline(
        chest=chest,
        radius=radius,
        middle=_middle(chests.lung[chest].double(), radius, z[:, 1:6], bits(lesions.key), wall),
        turn=torch.stack((angle.cos(), angle.sin()), 1),
        stretch=lesions.aspect.double().sqrt(),
        cosine=cosine,
        sine=sine,
        mean=_mean(cosine, sine),
    )
    return Outline(chest, *(x.to(lesions.volume.dtype) for x in placed[1:]))


def longest_diameter(o: Outline) -> Tensor:
    """Longest diameter (B,) cm of the largest slice."""
    angle, relative = _relative(o.cosine, o.sine)
    reach = (o.mean[:, None] + relative) * o.radius[:, None]
    x, y = reach * angle.cos() * o.stretch[:, None], reach * angle.sin() / o.stretch[:, None]
    half = _ANGLES // 2
    direction = angle[:half]
    shadow = x[:, :, None] * direction.cos() + y[:, :, None] * direction.sin()  # (B, angles, directions)
    return shadow.amax(1).sub(shadow.amin(1)).amax(1)


def _middle(lung: Tensor, radius: Tensor, z: Tensor, scan: Tensor, wall: float) -> Tensor:
    """Middles (B, 2) in lungs (B, 4), moved a little by breath at every scan."""
    attached: Tensor = ndtr(z[:, 0]) < wall
    towards: Tensor = 2 * math.pi * ndtr(z[:, 1])
    direction = torch.stack((towards.cos(), towards.sin()), 1)
    axes = lung[:, 2:]
    edge = (axes * direction).square().sum(1).sqrt()  # half-width of the lung in that direction
    inner = (edge - 1.15 * radius).clamp_min(0) * ndtr(z[:, 2]).sqrt()
    reach = torch.where(attached, (edge - 0.55 * radius).clamp_min(0), inner)
    zero = torch.zeros_like(scan)
    breath = 0.15 * normals(scan, zero, zero + 1, 2, stream=PIXEL_NOISE)
    return lung[:, :2] + reach[:, None] * direction + breath


def _relative(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Angles (A,) and the outline's deviation (B, A) at them."""
    angle = torch.arange(_ANGLES, device=cosine.device, dtype=cosine.dtype) * (2 * math.pi / _ANGLES)
    waves = cosine.new_tensor(HARMONICS)[:, None] * angle
    return angle, cosine @ waves.cos() + sine @ waves.sin()


def _mean(cosine: Tensor, sine: Tensor) -> Tensor:
    """Mean relative radius (B,) m with mean((m + deviation)^3) = 1, which keeps the volume."""
    _, deviation = _relative(cosine, sine)
    square, cube = deviation.square().mean(1), deviation.pow(3).mean(1)
    mean = torch.ones_like(square)
    for _ in range(4):  # Newton on m^3 + 3 m square + cube = 1
        mean = mean - (mean**3 + 3 * mean * square + cube - 1) / (3 * mean * mean + 3 * square)
    return mean
