"""What propofol and the surgeon do to the bispectral index and to arterial pressure."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .propofol_memory import PropofolMemory

PRESSURE_DECAYS = (0.054, 0.0695)  # 1/min
PRESSURE_HALF = (1.96, 2.20)  # ug/mL
PRESSURE_SLOPES = (4.77, 8.49)
SYSTOLIC_FALL, DIASTOLIC_FALL = 54.8, 18.1  # mmHg
PRESSURE_FALL = DIASTOLIC_FALL + (SYSTOLIC_FALL - DIASTOLIC_FALL) / 3
"""Greatest fall of MAP, diastole plus a third of the pulse; some public code adds the two in place of subtracting.

All six: Jeleazcov et al. (2015), Br J Anaesth 115:213-226, adult volunteers.
"""

_GRID = 0.1  # minutes
_STIMULI = (  # minutes, BIS points, mmHg: intubation at 10 min, surgery from 20 to 56 min
    (0.0, 0.0, 0.0),
    (9.9, 0.0, 0.0),
    (10.0, 20.0, 10.0),
    (12.0, 20.0, 10.0),
    (13.0, 0.0, 0.0),
    (19.9, 0.0, 0.0),
    (20.2, 20.0, 10.0),
    (21.0, 20.0, 10.0),
    (21.5, 0.0, 0.0),
    (26.0, -20.0, -10.0),
    (27.0, 20.0, 10.0),
    (28.0, 10.0, 7.0),
    (36.0, 10.0, 7.0),
    (37.0, 30.0, 15.0),
    (37.5, 30.0, 15.0),
    (38.0, 10.0, 5.0),
    (41.0, 10.0, 5.0),
    (41.5, 30.0, 10.0),
    (42.0, 30.0, 10.0),
    (43.0, 10.0, 5.0),
    (47.0, 10.0, 5.0),
    (47.5, 30.0, 10.0),
    (50.0, 30.0, 8.0),
    (51.0, 10.0, 5.0),
    (56.0, 10.0, 5.0),
    (56.5, 0.0, 0.0),
)
"""The arousal profile of Struys et al. (2004), Anesthesiology 100:640, as extended in public anaesthesia simulators."""


def hypnosis(concentration: Tensor, m: PropofolMemory) -> Tensor:
    """BIS (B,) at an effect-site concentration (B,) ug/mL: awake / (1 + U^g), U = C / Ce50 + opioid.

    The exponent g is one below Ce50 and another above.
    """
    slope = torch.where(concentration < m.half_effect[0], m.slopes[0], m.slopes[1])
    return m.awake[0] / (1 + _power(concentration / m.half_effect[0] + m.opioid[0], slope))


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    """Base ** exponent for positive exponents, 0 for a base that is not positive: several times faster than pow."""
    return base.clamp_min(1e-12).log_().mul_(exponent).exp_()


def arousal(minutes: Tensor, m: PropofolMemory) -> tuple[Tensor, Tensor]:
    """What the surgeon's stimuli add to BIS and MAP (B,) at `minutes` (B,), by linear interpolation of the profile."""
    start, rise = _profile(minutes.device)
    now = ((minutes - m.stimulus[1]) / _GRID).clamp(0, start.shape[1] - 1.001)
    left = now.long()
    points = torch.addcmul(start.index_select(1, left), rise.index_select(1, left), now - left).mul_(m.stimulus[0])
    return points[0], points[1]


@functools.lru_cache(maxsize=8)
def _profile(device: torch.device) -> tuple[Tensor, Tensor]:
    """The stimuli (2, points) every tenth of a minute, on which all its knots lie, and the rise to the next point."""
    minutes, bis, mmhg = np.array(_STIMULI).T
    grid = np.arange(round(minutes[-1] / _GRID) + 3) * _GRID  # and a little of the silence after
    start = np.stack([np.interp(grid, minutes, column) for column in (bis, mmhg)])
    rise = np.diff(start, append=start[:, -1:])
    return _constant(start, device), _constant(rise, device)


def _constant(values: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)


def arterial_pressure(m: PropofolMemory, sites: Tensor) -> Tensor:
    """MAP (B,) mmHg at pressure effect sites (2, B) ug/mL, before stimuli."""
    slopes = _slopes(sites.device)
    effect = _power(sites / m.pressure[2:], slopes).sum(0)
    return m.pressure[0] - m.pressure[1] * effect / (1 + effect)


@functools.lru_cache(maxsize=8)
def _slopes(device: torch.device) -> Tensor:
    return torch.tensor(PRESSURE_SLOPES, device=device)[:, None]


def delayed(m: PropofolMemory) -> Tensor:
    """Effect-site concentration (B,) that the monitor shows: that of `delay` ago, interpolated between samples."""
    later = (m.ago <= m.delay).sum(0, keepdim=True).clamp(1, len(m.ago) - 1)
    newer, older = m.ago.gather(0, later - 1), m.ago.gather(0, later)
    share = ((m.delay - newer) / (older - newer).clamp_min(1e-6)).clamp(0, 1)
    return torch.lerp(m.past.gather(0, later - 1), m.past.gather(0, later), share)[0]
