"""Chests without a tumour: axial CT slices through one lung, drawn once and kept as a bank to render lesions into.

Seen from below, as radiologists do: front on top, the midline towards the right edge. A slice is 96 x 96 pixels of
2.5 mm. Shapes, sizes and HU are what textbooks show, chosen by eye: a plausible picture, not an atlas.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIXELS = 96
FIELD = 24.0  # cm
PIXEL = FIELD / PIXELS  # cm
BANK = 24  # different chests
AIR, FAT, MUSCLE, LUNG, BLOOD, MARROW, CORTEX = -1000.0, -95.0, 50.0, -850.0, 140.0, 190.0, 480.0  # HU
_FINE = 2  # drawn this many times finer, then averaged

Image = NDArray[np.float64]
Point = NDArray[np.float64]  # (2,) x and y


class Chests(NamedTuple):
    """The bank. Positions in cm from the middle of the picture, x to the right and y down."""

    hu: Tensor  # (BANK, 96, 96)
    body: Tensor  # (BANK, 96, 96) 0..1: inside the ribs' outer rim, where a tumour can be
    lung: Tensor  # (BANK, 4): centre x, y and semi-axes of the lung


@functools.lru_cache(maxsize=4)
def chests(device: torch.device | str = "cpu") -> Chests:
    """The bank on a device; the same everywhere."""
    drawn = [_chest(np.random.default_rng(number)) for number in range(BANK)]
    parts = (np.stack(part) for part in zip(*drawn, strict=True))
    return Chests(*(torch.tensor(part, dtype=torch.float32, device=device) for part in parts))


def _chest(rng: np.random.Generator) -> tuple[Image, Image, Image]:
    """One chest: HU, where a tumour can be, and the lung's ellipse."""
    size = PIXELS * _FINE
    axis = (np.arange(size) + 0.5) * FIELD / size - FIELD / 2
    x, y = np.meshgrid(axis, axis)
    middle, scale = 8.3 + 0.4 * rng.normal(), 1 + 0.04 * rng.normal()
    bend = 0.012 * _smooth(rng, size, 20)
    thorax = _oval((x - middle) / (15.2 * scale), (y - 0.3) / (10.0 * scale)) + bend
    skin = _oval((x - middle) / (17.6 * scale), (y - 0.2) / (11.6 * scale)) + 0.5 * bend
    hu = np.full((size, size), AIR)
    hu = _paint(hu, 1 - skin, FAT + 10 * _smooth(rng, size, 3), 0.004)
    hu = _paint(hu, (skin - 0.985) * (1.0 - skin), np.full_like(hu, 15.0), 1e-6)
    fatness = 0.955 - 0.02 * rng.random()
    hu = _paint(hu, fatness - skin - 0.6 * bend, MUSCLE + 12 * _smooth(rng, size, 2), 0.006)
    hu = _muscle_planes(hu, rng, (x, y), skin, fatness, thorax)
    hu = _ribs(hu, rng, (x - middle, y - 0.3), 15.2 / 10.0, thorax)
    side = 4.9 + 0.5 * rng.normal() - 0.9 * np.exp(-(((y + 2.5) / 3.2) ** 2)) + 0.9 * np.exp(-(((y - 4) / 2.5) ** 2))
    inside = np.minimum((0.918 - thorax) * 12, side - x)
    lung = _parenchyma(rng, (x, y), size)
    hu = _mediastinum(hu, rng, (x, y), middle)
    hu = _paint(hu, inside, lung, 0.05)
    left, right = middle - 13.6 * scale, float(side.mean())
    ellipse = np.array(((left + right) / 2, 0.3, (right - left) / 2, 8.6 * scale))
    body = np.clip((1.0 - thorax) / 0.02, 0, 1) * np.clip((11.0 - x) / 0.5, 0, 1)
    return _coarse(hu), _coarse(body), ellipse


def _parenchyma(rng: np.random.Generator, grid: tuple[Image, Image], size: int) -> Image:
    """Lung (size, size) HU: denser at the back, with vessels that branch from the hilum and others cut across."""
    x, y = grid
    lung = LUNG + 5.0 * (y + 9) + 28 * _smooth(rng, size, 5) + 22 * _smooth(rng, size, 1.6)
    vessels = np.full((size, size), -1e3)
    for _ in range(13):
        at, angle, width = np.array((4.3, 0.4 + rng.normal())), np.pi + 1.15 * rng.normal(), 0.12 + 0.16 * rng.random()
        for _ in range(rng.integers(2, 6)):
            length = 0.8 + 1.3 * rng.random()
            end = at + length * np.array((np.cos(angle), np.sin(angle)))
            _raise(vessels, grid, at, end, width)
            at, angle, width = end, angle + 0.5 * rng.normal(), width * (0.62 + 0.2 * rng.random())
    for _ in range(110):
        at = np.array((-3.0 + 4.0 * rng.normal(), 0.3 + 4.2 * rng.normal()))
        tilt = 0.35 * rng.random() * np.array((rng.normal(), rng.normal()))
        _raise(vessels, grid, at, at + tilt, 0.02 + 0.15 * rng.random() ** 2)
    start = np.array((-9.0, -1.5 + 2 * rng.normal()))
    fissure = _from_segment(x, y, start, start + np.array((13.0, 2.0 + 2 * rng.normal())))
    lung = lung + 90 * np.exp(-((fissure / 0.12) ** 2))
    return np.asarray(lung + (-20.0 - lung) * np.clip(0.5 + vessels / 0.16, 0, 1))


def _mediastinum(hu: Image, rng: np.random.Generator, grid: tuple[Image, Image], middle: float) -> Image:
    """Fat, heart, great vessels, airway and spine around the midline."""
    x, y = grid
    size = len(x)
    hu = _paint(hu, 7.2 - np.hypot((x - middle - 1.0) * 1.25, y * 0.8), np.full_like(hu, FAT + 25), 0.4)
    heart = np.hypot((x - middle - 1.6) / 1.15, y + 2.2 + 0.3 * rng.normal()) - 0.25 * _smooth(rng, size, 12)
    hu = _paint(hu, 4.3 + 0.4 * rng.normal() - heart, MUSCLE + 30 + 8 * _smooth(rng, size, 4), 0.15)
    hu = _paint(hu, 2.6 + 0.3 * rng.normal() - heart, BLOOD + 10 * _smooth(rng, size, 4), 0.3)
    for dx, dy, radius in ((2.3, 4.6, 1.25), (-1.6, -1.6, 0.85), (-2.6, 0.9, 0.75)):  # aorta, cava, right artery
        at = np.hypot(x - middle - dx - 0.25 * rng.normal(), y - dy - 0.25 * rng.normal())
        hu = _paint(hu, radius * (1 + 0.1 * rng.normal()) - at, BLOOD + 8 * _smooth(rng, size, 3), 0.08)
    airway = np.hypot(x - middle + 1.5 + 0.3 * rng.normal(), (y - 2.2) * 1.2)
    hu = _paint(hu, 0.78 - airway, np.full_like(hu, 20.0), 0.08)
    hu = _paint(hu, 0.62 - airway, np.full_like(hu, AIR + 30), 0.08)
    return _spine(hu, rng, (x - middle, y), size)


def _spine(hu: Image, rng: np.random.Generator, grid: tuple[Image, Image], size: int) -> Image:
    """A vertebra with its canal, arch and processes, and the sternum."""
    x, y = grid
    spongy = MARROW + 35 * _smooth(rng, size, 1.2)
    vertebra = np.hypot(x / 1.15, y - 7.0)
    hu = _paint(hu, 1.75 - vertebra, np.full_like(hu, CORTEX), 0.08)
    hu = _paint(hu, 1.5 - vertebra, spongy, 0.08)
    arch = np.abs(np.hypot(x, (y - 9.5) * 1.1) - 1.15)
    hu = _paint(hu, 0.28 - arch, np.full_like(hu, CORTEX - 80), 0.08)
    hu = _paint(hu, 0.85 - np.hypot(x, (y - 9.4) * 1.1), np.full_like(hu, 25.0), 0.08)
    process = _from_segment(x, y, np.array((-0.9, 9.4)), np.array((-3.0, 9.0)))
    hu = _paint(hu, 0.42 - process, spongy + 130, 0.08)
    sternum = np.hypot(x / 2.0, (y + 9.2) / 0.62)
    hu = _paint(hu, (1 - sternum) * 0.6, np.full_like(hu, CORTEX - 150), 0.05)
    return _paint(hu, (0.78 - sternum) * 0.6, spongy, 0.05)


def _ribs(hu: Image, rng: np.random.Generator, grid: tuple[Image, Image], stretch: float, thorax: Image) -> Image:
    """Ribs cut obliquely: short arcs of cortex around marrow, between the pleura and the muscles."""
    x, y = grid
    angle = np.arctan2(y * stretch, x)
    start = rng.uniform(0.2, 0.5)
    for number in range(9):
        at = np.pi - 1.45 + start + number * 0.40 + 0.05 * rng.normal()
        half = 0.085 + 0.05 * rng.random()
        away = np.abs((angle - at + np.pi) % (2 * np.pi) - np.pi)
        depth = np.hypot(away / half, (thorax - 0.953) / 0.026)
        hu = _paint(hu, 1 - depth, np.full_like(hu, CORTEX - 60), 0.12)
        hu = _paint(hu, 0.62 - depth, np.full_like(hu, MARROW + 20), 0.12)
    return hu


def _muscle_planes(
    hu: Image, rng: np.random.Generator, grid: tuple[Image, Image], skin: Image, fatness: float, thorax: Image
) -> Image:
    """Thin layers of fat between the muscles of the chest wall, and the scapula behind."""
    x, y = grid
    for level in (0.35, 0.7):
        gap = level * (fatness - skin) - (1 - level) * (thorax - 1.0) + 0.004 * _smooth(rng, len(x), 14)
        hu = hu + (FAT + 30 - hu) * 0.75 * np.exp(-((gap / 0.0045) ** 2)) * ((thorax > 1.0) & (skin < fatness))
    start = np.array((-7.6 + 0.5 * rng.normal(), 5.6 + 0.5 * rng.normal()))
    blade = _from_segment(x, y, start, start + np.array((4.3, 3.6)))
    within = (thorax > 1.0) & (skin < fatness - 0.02)
    return np.where(within, _paint(hu, 0.22 - blade, np.full_like(hu, CORTEX - 120), 0.06), hu)


def _paint(under: Image, inside: Image, over: Image, edge: float) -> Image:
    """`over` where `inside` is positive, with an edge that soft."""
    return under + (over - under) * np.clip(0.5 + inside / (2 * edge), 0, 1)


def _smooth(rng: np.random.Generator, size: int, width: float) -> Image:
    """Smooth noise (size, size) of unit SD, correlated over `width` pixels of the bank."""
    cycles = 2 * np.pi * width * _FINE * np.fft.fftfreq(size)
    kernel = np.exp(-(cycles[:, None] ** 2 + cycles[None, : size // 2 + 1] ** 2) / 2)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * kernel, (size, size))
    return np.asarray(field / field.std())


def _oval(x: Image, y: Image) -> Image:
    """Distance from the middle, 1 on an oval a little squarer than an ellipse."""
    return np.asarray((np.abs(x) ** 2.3 + np.abs(y) ** 2.3) ** (1 / 2.3))


def _raise(field: Image, grid: tuple[Image, Image], start: Point, end: Point, width: float) -> None:
    """Raise `field` in place to `width` less the distance from a segment, near it."""
    low = np.minimum(start, end) - width - 0.3
    high = np.maximum(start, end) + width + 0.3
    (left, top), (right, bottom) = (
        np.clip((p + FIELD / 2) * _FINE / PIXEL, 0, len(field)).astype(int) for p in (low, high)
    )
    near = slice(top, bottom + 1), slice(left, right + 1)
    field[near] = np.maximum(field[near], width - _from_segment(grid[0][near], grid[1][near], start, end))


def _from_segment(x: Image, y: Image, start: Point, end: Point) -> Image:
    """Distance of every point from a segment."""
    along = end - start
    share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
    return np.asarray(np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]))


def _coarse(fine: Image) -> Image:
    return np.asarray(fine.reshape(PIXELS, _FINE, PIXELS, _FINE).mean((1, 3)))
