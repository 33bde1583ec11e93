"""What every learned patient shares: its spec, its admissions, and the step lengths that it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ..contracts import PatientState, Spec, Trajectories
from .admission import Admission
from .admission_fit import fit_admission
from .learned_inputs import InputLayout

_SAME = 0.9  # share of steps of one length from which a model counts as knowing that step only


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a learned patient lives."""

    layout: InputLayout
    admission: Admission
    fixed_hours: float | None
    longest_hours: float

    @classmethod
    def of(cls, stays: Trajectories) -> Self:
        """The setting of the stays that a model is fitted to; ValueError where they hold no decision."""
        hours = stays.hours[stays.mask]
        if not len(hours):
            raise ValueError("cannot fit a patient model: the training stays hold no decision; widen the cohort")
        usual = float(hours.median())
        same = float((hours == usual).float().mean()) >= _SAME
        return cls(
            layout=InputLayout(stays.spec, usual, varying=not same),
            admission=Admission(stays.spec, *fit_admission(stays)),
            fixed_hours=usual if same else None,
            longest_hours=float(hours.max()),
        )

    @property
    def spec(self) -> Spec:
        """What the patient is described by."""
        return self.layout.spec

    def admit(self, context: Tensor | None, noise: Tensor, memory: Tensor) -> PatientState:
        """New patients from noise (B, J), with `memory` (B, M)."""
        if noise.dim() != 2 or noise.shape[1] != self.admission.noise_dim:
            raise ValueError(f"noise: expected shape (B, {self.admission.noise_dim}), got {tuple(noise.shape)}")
        if context is not None and context.shape != (len(noise), len(self.spec.context)):
            expected = (len(noise), len(self.spec.context))
            raise ValueError(f"context: expected shape {expected}, got {tuple(context.shape)}")
        context, vitals, seen, age = self.admission.draw(context, noise)
        drugs = noise.new_zeros(len(noise), len(self.spec.drugs))
        return PatientState(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=memory,
            belief=noise.new_zeros(len(noise), 0),
            context=context,
            hours=noise.new_zeros(len(noise)),
            last_dose=drugs,
            total_dose=drugs,
            outcome=torch.zeros(len(noise), dtype=torch.int64, device=noise.device),
        )
