"""State occupancy by a small network, trained until no test function sees a flow out of balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .estimates import Estimate
from .logged import Array, Logged, Mask
from .occupancy_linear import LOSES_MODEL, Flow, occupancy_estimate, standard, steps
from .statistic import Terms

_WAVES = 128  # random Fourier features: a sample of the Gaussian kernel's functions
_HIDDEN = 32
_UPDATES = 400
_LEARNING_RATE = 1e-2


def network_occupancy(data: Logged, features: Array, seed: int) -> Estimate:
    """Marginalised importance sampling with state ratios w(s) >= 0 given by a network of the features (N, T, F).

    The network is trained against the test function, in the unit ball of a Gaussian kernel's space, on which the flow
    is most out of balance; its inner maximum is closed. Liu et al. (2018), theorem 2, on discounted stays that end;
    random features stand in for the kernel (Rahimi & Recht 2007). In resamples the network is held.
    """
    design = standard(features, data.mask)
    onward, earned, first = steps(data)
    random = torch.Generator().manual_seed(seed)
    waves = _waves(torch.as_tensor(design, dtype=torch.float32), torch.as_tensor(data.mask), random)
    flow = Flow(waves, onward, earned, first)
    ratio = _train(design, flow, data.mask, random)
    return occupancy_estimate(data, ratio, _Held(ratio, earned), LOSES_MODEL)


@dataclass(frozen=True, eq=False)
class _Held:
    """The value under a fitted ratio, which resamples keep."""

    ratio: Array  # (N, T)
    earned: Array  # (N, T)
    smooth: bool = True

    def terms(self) -> Terms:
        return (self.ratio * self.earned).sum(1, keepdims=True), np.ones((len(self.ratio), 1))

    def replicate(self, counts: Array) -> Array:
        return np.asarray(counts @ (self.ratio * self.earned).sum(1) / counts.sum(1))

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> _Held:
        return _Held(self.ratio[index], self.earned[index])


def _waves(design: Tensor, mask: Tensor, random: torch.Generator) -> Array:
    """Random Fourier features (N, T, P) of the kernel whose width is the median distance, and the design itself."""
    known = design[mask]
    some = known[torch.randint(len(known), (min(500, len(known)),), generator=random)]
    width = float(torch.pdist(some).median().clamp_min(1e-3)) if len(some) > 1 else 1.0
    frequency = torch.randn(design.shape[2], _WAVES, generator=random) / width
    phase = torch.rand(_WAVES, generator=random) * 2 * torch.pi
    waves = (2 / _WAVES) ** 0.5 * (design @ frequency + phase).cos() * mask[..., None]
    return torch.cat((waves, design), 2).double().numpy()


def _train(design: Array, flow: Flow, mask: Mask, random: torch.Generator) -> Array:
    """Ratios (N, T) that leave the least flow out of balance, in units of each test function's spread."""
    rows = torch.as_tensor(mask)
    stays = len(mask)
    inputs = torch.as_tensor(design, dtype=torch.float32)[rows]
    outflow = torch.as_tensor(flow.outflow(), dtype=torch.float32)[rows] / stays  # (M, P)
    start = torch.as_tensor((flow.first[:, None] * flow.design[:, 0]).mean(0), dtype=torch.float32)
    unit = (outflow * stays).std(0).clamp_min(1e-3)
    network = _network(inputs.shape[1], random)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _UPDATES)
    for _ in range(_UPDATES):
        gap = (start - nn.functional.softplus(network(inputs)[:, 0]) @ outflow) / unit
        loss = (gap**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    found = np.zeros(mask.shape)
    with torch.no_grad():
        found[mask] = nn.functional.softplus(network(inputs)[:, 0]).double().numpy()
    return found


def _network(inputs: int, random: torch.Generator) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=random)))
        return nn.Sequential(
            nn.Linear(inputs, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, 1)
        )
