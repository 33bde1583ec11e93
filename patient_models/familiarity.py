"""How alike a state and dose are to what the training stays hold: the doubt of a Gaussian process, by random features.

A forecast is only as good as what it was learned from, and members of an ensemble may agree where none has seen
anything. The posterior SD of a Gaussian process, as a share of its prior SD, says how much was seen nearby, of states
and doses together: 0 of what was seen often, 1 where nothing was (Rasmussen & Williams 2006, eq. 2.26). Random Fourier
features stand for its kernel (Rahimi & Recht 2007): a matrix over features is kept, never a patient's row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .learned_heads import Examples
from .learned_inputs import InputLayout

FEATURES = 256
LENGTH = 2.0  # of the kernel, in SD over all columns of a state together
DOSE_LENGTH = 0.5  # ... and of each dose about to be given: a dose is told apart from its neighbours
NOISE = 1.0  # variance of one observation, as a share of the prior's
_LEAST_SD = 0.05  # columns that hardly vary tell nothing


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Random features of the inputs (B, I), and the factor that turns them into doubt."""

    frequency: Tensor  # (I, R); 0 in columns that are not looked at
    phase: Tensor  # (R,)
    factor: Tensor  # (R, R): doubt is the length of a feature row times it

    def doubt(self, inputs: Tensor) -> Tensor:
        """Posterior SD (B,) as a share of the prior SD, from inputs (B, I)."""
        features = torch.cos(torch.addmm(self.phase, inputs, self.frequency)) * math.sqrt(2 / len(self.phase))
        return (features @ self.factor).square().sum(1).sqrt().clamp_max(1)

    def to(self, device: torch.device) -> Familiarity:
        """The same on `device`."""
        return Familiarity(self.frequency.to(device), self.phase.to(device), self.factor.to(device))


def fit_familiarity(layout: InputLayout, target: Examples, generator: torch.Generator) -> Familiarity:
    """What the decisions of training examples are alike to: values, doses so far, time, and the dose given then."""
    inputs = target.inputs[target.mask]
    values, drugs = len(layout.spec.features), len(layout.spec.drugs)
    scale = torch.zeros(layout.size)
    scale[:values] = 1.0
    scale[layout.known - 2 * drugs - 1 : layout.known] = 1.0
    scale /= LENGTH * math.sqrt(float(scale.sum()))
    scale[layout.known : layout.known + drugs] = 1 / DOSE_LENGTH
    spread = inputs.std(0, correction=0).clamp_min(_LEAST_SD)
    frequency = torch.randn(layout.size, FEATURES, generator=generator) * (scale / spread)[:, None]
    phase = 2 * math.pi * torch.rand(FEATURES, generator=generator)
    features = (torch.cos(inputs @ frequency + phase) * math.sqrt(2 / FEATURES)).double()
    precision = features.t() @ features / NOISE + torch.eye(FEATURES, dtype=torch.float64)
    lower = torch.linalg.cholesky(torch.linalg.inv(precision))
    return Familiarity(frequency, phase, lower.float())
