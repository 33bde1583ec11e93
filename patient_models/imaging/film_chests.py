"""Chests as a portable film shows them: what a ray from front to back meets, drawn once and kept as a bank.

Seen from the front, the patient's right on the left, 96 x 96 pixels of 3.3 mm. Thickness is in cm of water. Shapes and
thicknesses are what textbooks show, chosen by eye: a plausible picture, not an atlas.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIXELS = 96
FIELD = 32.0  # cm
BANK = 24  # different chests
AIR_SHARE = 0.78  # of the lung's depth: what a ray does not meet
DEPTH = 13.5  # cm of lung in the middle of a field
_FINE = 2  # drawn this many times finer, then averaged

Image = NDArray[np.float64]
Grid = tuple[Image, Image]  # x to the right and y down, cm from the middle
Point = tuple[float, float]


class FilmChests(NamedTuple):
    """The bank."""

    solid: Tensor  # (BANK, 96, 96) cm of water without any lung: soft tissue, bone, less the airways
    air: Tensor  # (BANK, 96, 96) cm of air in the lungs
    vessels: Tensor  # (BANK, 96, 96) 0..1: share of the lung's depth
    lines: Tensor  # (BANK, 96, 96) 0..1: where interlobular septa would show
    bronchi: Tensor  # (BANK, 96, 96) 0..1: where airways would stand out of dense lung
    patterns: Tensor  # (BANK, 3, 96, 96) where water gathers: around the hila, at the bases, in the angles
    zones: Tensor  # (BANK, 4, 96, 96) shares of the air, each of sum 1: right upper and lower, left upper and lower


@functools.lru_cache(maxsize=4)
def film_chests(device: torch.device | str = "cpu") -> FilmChests:
    """The bank on a device; the same everywhere."""
    drawn = [_chest(np.random.default_rng(1000 + number)) for number in range(BANK)]
    parts = (np.stack(part) for part in zip(*drawn, strict=True))
    return FilmChests(*(torch.tensor(part, dtype=torch.float32, device=device) for part in parts))


def _chest(rng: np.random.Generator) -> tuple[Image, ...]:
    size = PIXELS * _FINE
    axis = (np.arange(size) + 0.5) * FIELD / size - FIELD / 2
    x, y = np.meshgrid(axis, axis)
    heart = _heart((x, y), rng)
    field, floor = _lung_field((x, y), rng)
    wall = 12.9 - 0.018 * (6 - y) ** 2
    curved = 1 - np.exp(-np.clip(wall - np.abs(x), 0, None) / 1.5)
    air = AIR_SHARE * DEPTH * field * curved * (1 - 0.8 * heart) * (1 - 0.18 * np.clip((-y - 5) / 7, 0, 1))
    torso = 21.0 * np.sqrt(np.clip(1 - (np.abs(x) / (18.0 + 0.5 * rng.normal())) ** 2.6, 0, 1))
    torso = torso * (1 - 0.25 * np.clip((-y - 10) / 8, 0, 1))
    solid = torso + _bones((x, y), rng, wall) + _shadows((x, y), rng, floor) - _airways((x, y), rng)
    vessels, bronchi = _trees((x, y), rng)
    lines = _septa((x, y), rng, wall)
    patterns = np.stack(
        (
            np.exp(-(((np.abs(x) - 4.6) / 3.4) ** 2) - ((y + 0.6) / 4.4) ** 2),
            np.clip((y + 3) / 10, 0, 1.2),
            np.exp(-np.clip(floor - y, 0, None) / 1.6) * np.clip((np.abs(x) - 3) / 6, 0, 1),
        )
    )
    middle = -1.5
    quarters = [side & part for side in (x < 0, x >= 0) for part in (y < middle, y >= middle)]
    zones = np.stack([_coarse(air * q) / _coarse(air * q).sum() for q in quarters])
    coarse = [_coarse(np.maximum(part, 0)) for part in (solid, air, vessels, lines, bronchi)]
    return (*coarse, np.stack([_coarse(p) for p in patterns]), zones)


def _lung_field(grid: Grid, rng: np.random.Generator) -> tuple[Image, Image]:
    """The lungs' fields (size, size) 0..1, and the height of the diaphragm (size, size) in cm."""
    x, y = grid
    side = np.abs(x)
    wall = 12.9 - 0.018 * (6 - y) ** 2
    right, left = 6.9 + 0.5 * rng.normal(), 7.8 + 0.5 * rng.normal()
    floor = np.where(x < 0, right, left) + ((side - 6.0) / 3.8) ** 2
    apex = -12.6 + ((side - 5.2) / 1.8) ** 2
    bend = 0.1 * _smooth(rng, len(x), 12)
    inner = 1.9 + 0.25 * np.clip(y + 9, 0, 6)
    sharp = np.minimum(np.minimum(floor - y, y - apex), np.minimum((wall - side) * 2, side - inner)) + bend
    return np.clip(0.5 + sharp / 0.7, 0, 1), floor


def _heart(grid: Grid, rng: np.random.Generator) -> Image:
    """Heart and great vessels (size, size) 0..1."""
    x, y = grid
    large, tilt = 1 + 0.08 * rng.normal(), np.deg2rad(30 + 5 * rng.normal())
    u, v = x - 1.7 - 0.3 * rng.normal(), y - 3.2
    along, across = u * np.cos(tilt) + v * np.sin(tilt), -u * np.sin(tilt) + v * np.cos(tilt)
    shape = np.clip(0.5 + (1 - np.hypot(along / (6.7 * large), across / (4.7 * large))) * 9, 0, 1)
    parts = ((2.2, -6.3, 1.6), (2.3, -2.9, 1.9), (-1.4, -3.6, 1.7), (-2.6, -1.2, 1.7), (0.2, -7.5, 2.2))
    for cx, cy, radius in parts:  # aortic knob, pulmonary trunk, vena cava, right atrium's top, upper mediastinum
        r = radius * (1 + 0.07 * rng.normal())
        shape = np.maximum(shape, np.clip(0.5 + (r - np.hypot(x - cx, y - cy)) / 0.5, 0, 1))
    column = np.clip(0.5 + (2.1 - np.abs(x + 0.1)) / 0.6, 0, 1) * (y < 4)
    return np.asarray(np.maximum(shape, column))


def _bones(grid: Grid, rng: np.random.Generator, wall: Image) -> Image:
    """Ribs, clavicles, shoulder blades, spine and arms, in cm of water (size, size)."""
    x, y = grid
    side = np.abs(x)
    bone = np.zeros_like(x)
    first, apart = -12.0 + 0.3 * rng.normal(), 2.15 + 0.05 * rng.normal()
    for number in range(10):
        arch = first + apart * number + 0.10 * number * (side - 6) / 6 + 0.022 * (side - 4) ** 2
        bone += 1.8 * _band(y - arch, 0.40) * (side < wall + 0.8) * (side > 1.2) * np.clip((wall + 0.9 - side), 0, 1)
        if number < 7:
            turn = first + apart * number + 1.1 + 0.55 * (wall - side) + 0.02 * (wall - side) ** 2
            bone += 1.2 * _band((y - turn) * 0.85, 0.42) * (side < wall + 0.5) * np.clip((side - 4.5) / 3, 0, 1)
    rim = np.exp(-(((side - wall - 0.5) / 0.45) ** 2)) * (y > -10) * (y < 11)
    bone += 1.0 * rim
    collar = -9.8 - 0.24 * (side - 1.6) - 0.35 * np.sin((side - 1.6) / 2.2)
    bone += 2.2 * _band(y - collar, 0.5) * (side > 1.3) * (side < 13.5)
    blade = np.clip(0.5 + (1 - np.hypot((side - 12.4 + 0.25 * (y + 6)) / 2.3, (y + 6.2) / 5.2)) * 3, 0, 1)
    bone += 0.9 * blade + 2.6 * np.clip(0.5 + (2.3 - np.hypot(side - 16.4, y + 11.6)) / 0.5, 0, 1)
    vertebra = 0.7 + 0.3 * np.cos(2 * np.pi * (y - rng.random()) / 2.5)
    bone += 3.2 * np.clip(0.5 + (1.75 - side) / 0.4, 0, 1) * vertebra
    return np.asarray(bone + 1.0 * _band(np.hypot(x, (y - 0.6) % 2.5 - 1.2) - 0.45, 0.22))


def _band(distance: Image, half: float) -> Image:
    """A flat bone seen through: its edges a little denser than its middle (size, size)."""
    away = np.abs(distance) / half
    return np.clip((1.15 - away) / 0.3, 0, 1) * (0.75 + 0.5 * np.clip(away, 0, 1) ** 2)


def _shadows(grid: Grid, rng: np.random.Generator, floor: Image) -> Image:
    """Soft tissue in front of the lungs, gas in the stomach, electrodes with their wires, cm of water (size, size)."""
    x, y = grid
    extra = 0.7 * _smooth(rng, len(x), 14)
    breast = max(0.0, rng.normal()) * 1.3
    for side in (-1, 1):
        oval = np.hypot((x - side * 7.6) / 5.4, (y - 3.6) / 5.0)
        extra += breast * np.clip((1.05 - oval) / 0.3, 0, 1) * np.clip((y + 1) / 6, 0, 1)
    bubble = np.hypot((x - 6.3) / (2.0 + 0.8 * rng.random()), (y - floor - 1.9) / 1.2)
    extra -= 5.0 * np.clip((1.1 - bubble) / 0.3, 0, 1) * (y > floor + 0.4)
    for _ in range(rng.integers(2, 5)):
        at = rng.uniform(-11, 11), rng.uniform(-9, 7)
        extra += 3.0 * np.clip((0.75 - np.hypot(x - at[0], y - at[1])) / 0.15, 0, 1)
        far = at[0] + rng.uniform(-6, 6), 18.0
        extra += 1.2 * np.clip((0.14 - _from_segment(x, y, at, far)) / 0.12, 0, 1)
    if rng.random() < 0.7:  # a central line from the right jugular vein
        for start, end in (((-3.6, -18.0), (-3.0, -9.0)), ((-3.0, -9.0), (-2.2, -2.0))):
            extra += 1.5 * np.clip((0.16 - _from_segment(x, y, start, end)) / 0.1, 0, 1)
    return np.asarray(extra)


def _airways(grid: Grid, rng: np.random.Generator) -> Image:
    """Air in trachea and main bronchi, cm (size, size)."""
    x, y = grid
    lean = 0.3 * rng.normal()
    air = np.zeros_like(x)
    tubes = (
        ((lean, -18.0), (-0.3, -5.2), 0.85),
        ((-0.3, -5.2), (-3.2, -2.9), 0.6),
        ((-0.3, -5.2), (3.9, -2.6), 0.55),
    )
    for start, end, radius in tubes:
        air = np.maximum(air, 4.2 * radius * np.clip((radius + 0.15 - _from_segment(x, y, start, end)) / 0.3, 0, 1))
    return air


def _trees(grid: Grid, rng: np.random.Generator) -> tuple[Image, Image]:
    """Vessels that branch from the hila, and the bronchi beside them (size, size) 0..1."""
    vessels, bronchi = np.zeros_like(grid[0]), np.zeros_like(grid[0])
    for side, hilum in ((-1, (-3.9, -2.2)), (1, (4.1, -2.8))):
        blob = np.hypot((grid[0] - hilum[0]) / 1.2, (grid[1] - hilum[1]) / 1.8)
        vessels = np.maximum(vessels, 0.30 * np.clip((1.2 - blob) / 0.5, 0, 1))
        for number in range(15):
            at, angle, width = hilum, -1.35 + 2.75 * (number + rng.random()) / 15, 0.22 + 0.16 * rng.random()
            for _ in range(rng.integers(3, 6)):
                length = 1.1 + 1.5 * rng.random()
                end = at[0] + side * length * np.cos(angle), at[1] + length * np.sin(angle)
                _raise(vessels, grid, (at, end), width, 1.15 * width)
                if number % 3 == 0:
                    beside = (at[0] + 0.35, at[1] - 0.45), (end[0] + 0.35, end[1] - 0.45)
                    _raise(bronchi, grid, beside, 0.28, 1.0)
                at, angle, width = end, angle + 0.35 * rng.normal(), width * 0.74
    return vessels, bronchi


def _septa(grid: Grid, rng: np.random.Generator, wall: Image) -> Image:
    """Short level lines at the sides of the bases, which thickened septa draw there (size, size) 0..1."""
    lines = np.zeros_like(grid[0])
    for side in (-1, 1):
        for height in np.arange(0.5, 8.5, 0.75):
            edge = 12.9 - 0.018 * (6 - height) ** 2 - 0.3
            start = side * edge, height + 0.2 * rng.normal()
            end = side * (edge - 1.2 - 0.9 * rng.random()), start[1] + 0.15 * rng.normal()
            _raise(lines, grid, (start, end), 0.13, 1.0)
    return lines


def _smooth(rng: np.random.Generator, size: int, width: float) -> Image:
    """Smooth noise (size, size) of unit SD, correlated over `width` pixels of the bank."""
    cycles = 2 * np.pi * width * _FINE * np.fft.fftfreq(size)
    kernel = np.exp(-(cycles[:, None] ** 2 + cycles[None, : size // 2 + 1] ** 2) / 2)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * kernel, (size, size))
    return np.asarray(field / field.std())


def _raise(field: Image, grid: Grid, ends: tuple[Point, Point], width: float, height: float) -> None:
    """Raise `field` in place to `height` within `width` of a segment, where it is lower."""
    start, end = ends
    low = [min(a, b) - width - 0.5 for a, b in zip(start, end, strict=True)]
    high = [max(a, b) + width + 0.5 for a, b in zip(start, end, strict=True)]
    bounds = np.clip((np.array((low, high)) + FIELD / 2) * len(field) / FIELD, 0, len(field)).astype(int)
    near = slice(bounds[0, 1], bounds[1, 1] + 1), slice(bounds[0, 0], bounds[1, 0] + 1)
    away = _from_segment(grid[0][near], grid[1][near], start, end)
    field[near] = np.maximum(field[near], height * np.clip((1.3 * width - away) / (0.6 * width), 0, 1))


def _from_segment(x: Image, y: Image, start: Point, end: Point) -> Image:
    """Distance of every point from a segment."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.asarray(np.hypot(x - start[0] - share * dx, y - start[1] - share * dy))


def _coarse(fine: Image) -> Image:
    return np.asarray(fine.reshape(PIXELS, _FINE, PIXELS, _FINE).mean((1, 3)))
