"""Rendering portable chest films whose opacity is that of the lungs, many at once.

A film is a pure function of the opacity, of the patient's anatomy and of the film's key, whoever else is in the batch.
Water gathers around the hila, at the bases and in the angles of the pleura, in patches, each patient's own mixture;
it hides the vessels, draws septal lines and leaves airways standing in dense lung. All numbers are design choices.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.special import ndtr

from ...trajectories.noise import normals
from .film_chests import BANK, PIXELS, FilmChests, film_chests
from .lesion import bits

ANATOMY, FILM = 13, 14  # noise streams
SHADES = (14.4, 3.3)  # cm of water: middle and slope of the film's response
SOFTNESS = 0.38  # of the border between dry and wet lung, in units of the pattern
_FIELD, _CHUNK, _NEWTON = 640, 32, 12
_BOUND = 6.0  # of the level at which the pattern is cut


class Films(NamedTuple):
    """What films are made of, each (B,)."""

    opacity: Tensor  # 0..1, of the lungs: share of their air that water has taken
    anatomy: Tensor  # a standard normal of the patient
    key: Tensor  # a standard normal of the film


class FilmPictures(NamedTuple):
    """Rendered films."""

    grey: Tensor  # (B, 96, 96) 0 black .. 1 white
    zones: Tensor  # (B, 4) opacity of the right upper and lower and the left upper and lower zone


@dataclass(frozen=True)
class Technique:
    """How films are taken; another machine is another of these."""

    noise: float = 0.02  # SD of the grain, in grey
    exposure: float = 0.6  # SD between films, cm of water
    contrast: float = 1.0  # factor on the response's slope
    placing: float = 1.0  # how much position, rotation and breath differ between films

    def __post_init__(self) -> None:
        if min(self.noise, self.exposure, self.placing) < 0 or self.contrast <= 0:
            raise ValueError(f"expected noise, exposure and placing >= 0 and contrast > 0, got {self}")


def film_bytes(grey: Tensor) -> Tensor:
    """Films (...) as grey levels (...) uint8."""
    return (grey * 255).round_().clamp_(0, 255).to(torch.uint8)


@torch.no_grad()
def render_films(films: Films, technique: Technique | None = None) -> FilmPictures:
    """Films (B, 96, 96) and how wet each zone is."""
    technique = technique or Technique()
    parts = [_some(Films(*part), technique) for part in zip(*(x.split(_CHUNK) for x in films), strict=True)]
    return FilmPictures(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _some(films: Films, technique: Technique) -> FilmPictures:
    bank = film_chests(films.opacity.device)
    who = bits(films.anatomy)
    zero = torch.zeros_like(who)
    person = normals(who, zero, zero, 10, stream=ANATOMY)
    taking = normals(bits(films.key), zero, zero, 10, stream=FILM)
    chest = (ndtr(films.anatomy.double()) * BANK).long().clamp(0, BANK - 1)
    air = bank.air[chest]
    wet = wet_lung(bank, chest, films.opacity, person)
    zones = (bank.zones[chest] * wet[:, None]).sum((2, 3))
    water = _column(bank, chest, wet, films.opacity, person)
    thick = bank.solid[chest] - air * (1 - water)
    thick = _placed(thick + 0.5 * person[:, 5, None, None], person, taking, technique.placing)
    return FilmPictures(_exposed(thick, taking, technique), zones)


def wet_lung(bank: FilmChests, chest: Tensor, opacity: Tensor, person: Tensor) -> Tensor:
    """How wet the lung behind each pixel is (B, 96, 96) 0..1: its mean over the lungs' air is the opacity (B,).

    The patient's pattern, cut at the level that gives the opacity: found by bisection in float64, so that a rounding
    in another batch does not show.
    """
    share = torch.softmax(1.1 * person[:, :3], 1) * 2.2
    patches = 0.38 * _window(0, person[:, 6:8])
    tilt = torch.linspace(-0.5, 0.5, PIXELS, device=opacity.device) * person[:, 4, None] * 0.35
    pattern = (bank.patterns[chest] * share[:, :, None, None]).sum(1) + patches + tilt[:, None, :]
    coarse, weights = pattern[:, ::2, ::2].double(), bank.air[chest][:, ::2, ::2].double()
    weights = weights / weights.sum((1, 2), keepdim=True)
    low = torch.full_like(opacity, -_BOUND, dtype=torch.float64)
    high, goal = -low, opacity.double()
    for _ in range(_NEWTON):
        middle = (low + high) / 2
        mean = (torch.sigmoid((coarse + middle[:, None, None]) / SOFTNESS) * weights).sum((1, 2))
        below = mean < goal
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return torch.sigmoid((pattern + ((low + high) / 2).float()[:, None, None]) / SOFTNESS)


def _column(bank: FilmChests, chest: Tensor, wet: Tensor, opacity: Tensor, person: Tensor) -> Tensor:
    """Share of each pixel's air that vessels, septa and water take (B, 96, 96)."""
    height = torch.linspace(1, -1, PIXELS, device=wet.device)[:, None]
    redistributed = 1 + (1.2 * opacity.clamp_max(0.5))[:, None, None] * height.clamp_min(0)
    vessels = bank.vessels[chest] * redistributed
    swollen = 4 * wet * (1 - wet)
    septa = swollen * (0.22 * bank.lines[chest] + 0.035 * _window(1, person[:, 8:10]))
    dense = wet * (1 - 0.3 * bank.bronchi[chest] * wet)
    return (1 - (1 - dense) * (1 - vessels.clamp_max(0.9)) + septa).clamp(0, 1)


def _placed(thick: Tensor, person: Tensor, taking: Tensor, placing: float) -> Tensor:
    """The shadow (B, 96, 96) as the patient lies on the plate: larger, shifted, turned, breathing in less."""
    z = placing * taking
    turn, breath = 0.03 * z[:, 0], 1 + 0.04 * z[:, 3] + 0.03 * person[:, 9]
    width = 1 + 0.03 * z[:, 4] + 0.04 * person[:, 8]
    zero = torch.zeros_like(turn)
    rows = (
        torch.stack((width * turn.cos(), -turn.sin(), 0.04 * z[:, 1]), 1),
        torch.stack((turn.sin(), breath * turn.cos(), 0.04 * z[:, 2] + zero), 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), [len(thick), 1, PIXELS, PIXELS], align_corners=False)
    return F.grid_sample(thick[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _exposed(thick: Tensor, taking: Tensor, technique: Technique) -> Tensor:
    """Grey (B, 96, 96) of cm of water: the film's response, with grain."""
    middle = SHADES[0] + technique.exposure * taking[:, 5]
    slope = SHADES[1] / technique.contrast * torch.exp(0.08 * taking[:, 6])
    grey = torch.sigmoid((thick - middle[:, None, None]) / slope[:, None, None])
    grain = technique.noise * _window(2, taking[:, 7:9])
    return (grey + grain * (0.6 + 0.4 * grey)).clamp(0, 1)


def _window(kind: int, place: Tensor) -> Tensor:
    """A part (B, 96, 96) of a fixed field of unit SD, at the place that two standard normals (B, 2) decide."""
    field = _fields(place.device)[kind]
    corner = (ndtr(place.double()) * (_FIELD - PIXELS)).long().clamp(0, _FIELD - PIXELS)
    return field.unfold(0, PIXELS, 1).unfold(1, PIXELS, 1)[corner[:, 0], corner[:, 1]]


@functools.lru_cache(maxsize=4)
def _fields(device: torch.device) -> Tensor:
    """Noise (3, F, F): patches of 1.5 cm, a net of 4 mm, and grain."""
    rows = torch.arange(3 * _FIELD)
    zero = torch.zeros_like(rows)
    white = normals(rows, zero, zero, _FIELD, stream=FILM).view(3, _FIELD, _FIELD)
    fields = torch.stack([_blurred(w, width) for w, width in zip(white, (4.0, 1.0, 0.5), strict=True)])
    fields[1] -= _blurred(white[1], 2.0) * 0.6
    return (fields / fields.std((1, 2), keepdim=True)).to(device)


def _blurred(field: Tensor, width: float) -> Tensor:
    """The field (F, F), which goes on at its other side, blurred over `width` pixels and of unit SD."""
    cycles = 2 * torch.pi * width * torch.fft.fftfreq(_FIELD)
    kernel = torch.exp(-(cycles[:, None] ** 2 + cycles[None] ** 2) / 2)
    smooth: Tensor = torch.fft.ifft2(torch.fft.fft2(field) * kernel).real
    return smooth / smooth.std()
