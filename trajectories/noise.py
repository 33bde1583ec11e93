"""Counter-based noise: a patient's course depends on its own seed only.

Every standard normal is a pure function of (seed, stream, admission, step, column). The bits come from the splitmix64
finaliser (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", doi 10.1145/2660193.2660195);
the normal from a table of the inverse distribution function, indexed by the leading bits of a float, so that only
exact operations are used and a row is bit-identical on any device and in any batch.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

PATIENT, ADMISSION, ACTOR = 0, 1, 2  # streams

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_OCTAVES = 32  # of the smaller tail probability, from 2**-32 to 1/2
_CELLS = 8  # log2 of the table cells per octave
_SHIFT = 23 - _CELLS
_FIRST = 127 << _CELLS  # table index of 1.0, the smallest value of the tail integer


def normals(seed: Tensor, admission: Tensor, step: Tensor, columns: int, *, stream: int = PATIENT) -> Tensor:
    """Standard normals (B, columns) float32 of rows keyed by `seed`, `admission` and `step`, each (B,) int64.

    Accurate to 2e-6 and bit-identical on every device, whoever else is in the batch. `stream` keeps the uses apart.
    """
    key = _mix(seed * _GOLDEN + stream)
    key = _mix(key + admission * _GOLDEN)
    key = _mix(key + step * _GOLDEN)
    pairs = torch.arange(1, (columns + 1) // 2 + 1, device=seed.device, dtype=torch.int64)
    bits = _mix(key[:, None] + pairs * _GOLDEN)
    low, high = bits & 0xFFFFFFFF, (bits >> 32) & 0xFFFFFFFF
    return _normal(torch.stack((low, high), 2).reshape(len(seed), -1)[:, :columns])


def seeds(first: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Seeds first, first + 1, ... (count,) int64: row i of a batch is the single patient seeded first + i."""
    return torch.arange(first, first + count, dtype=torch.int64, device=device)


def _mix(x: Tensor) -> Tensor:
    """The finaliser, in as few fresh tensors as it takes; `x` is left as it is."""
    x = _fold(x, 30, 0x3FFFFFFFF).mul_(_MIX_1)
    x = _fold(x, 27, 0x1FFFFFFFFF).mul_(_MIX_2)
    return _fold(x, 31, 0x1FFFFFFFF)


def _fold(x: Tensor, places: int, kept: int) -> Tensor:
    """Exclusive or of `x` and `x` shifted right, zeros coming in from the left."""
    return (x >> places).bitwise_and_(kept).bitwise_xor_(x)


def _normal(bits: Tensor) -> Tensor:
    """Standard normal of 32 random bits: one for the sign, 31 for the tail probability (k + 1/2) / 2**32."""
    tail = (bits >> 1).add_(1).to(torch.float32)  # 1 .. 2**31
    code = tail.view(torch.int32)
    start, slope = _table(bits.device)
    cell = (code >> _SHIFT).sub_(_FIRST).flatten()
    left, rise = start.index_select(0, cell), slope.index_select(0, cell)
    part = (code & ((1 << _SHIFT) - 1)).to(torch.float32)
    magnitude = part.mul_(rise.view_as(part)).add_(left.view_as(part))
    return torch.where((bits & 1).bool(), magnitude, -magnitude)


@functools.lru_cache(maxsize=8)
def _table(device: torch.device) -> tuple[Tensor, Tensor]:
    """Magnitude at the left of each cell, and its slope per unit of the cell's remaining mantissa bits."""
    cells = 1 << _CELLS
    octave, part = np.divmod(np.arange(_OCTAVES * cells + 1), cells)
    knots = np.minimum((1 + part / cells) * 2.0**octave, 2.0**31)
    magnitude = -ndtri((knots - 0.5) / 2.0**32)
    slope = np.diff(magnitude) / (1 << _SHIFT)
    pack = torch.tensor(np.stack((magnitude[:-1], slope)), dtype=torch.float32, device=device)
    return pack[0].contiguous(), pack[1].contiguous()
