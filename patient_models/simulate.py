"""Following simulated patients under an actor with continuous doses, and the hidden columns worth keeping as truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Clinician, PatientModel, PatientState
from ..trajectories.noise import ACTOR, ADMISSION, normals, seeds
from .sepsis_memory import recall

TRUTH = ("infection", "vasodilation", "vasoplegia", "contractility", "organ", "lung_water", "pressure", "risk")


@dataclass(frozen=True)
class Course:
    """N patients followed over T decisions: the states around every decision, and the doses given."""

    states: tuple[PatientState, ...]  # T + 1
    dose: Tensor  # (N, T, U)

    @property
    def outcome(self) -> Tensor:
        """Outcome (N,) int64 at the end."""
        return self.states[-1].outcome

    @property
    def in_care(self) -> Tensor:
        """Whether decision t was still made (N, T) bool."""
        return torch.stack([s.outcome == 0 for s in self.states[:-1]], 1)


@torch.no_grad()
def follow(
    model: PatientModel,
    actor: Clinician,
    patients: int,
    *,
    seed: int = 0,
    decisions: int = 18,
    hours: float = 4.0,
) -> Course:
    """The course of patients seeded seed, seed + 1, ... under `actor`, whose doses are given as they are.

    Two actors under one seed meet the same patients and the same chance. ValueError unless patients is positive.
    """
    if patients < 1:
        raise ValueError(f"expected at least one patient to follow, got {patients}")
    rows = seeds(seed, patients)
    zero = torch.zeros_like(rows)
    state = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    duration = torch.full((patients,), hours)
    states, doses = [state], []
    for t in range(decisions):
        doses.append(actor.dose(state, normals(rows, zero, zero + t, actor.noise_dim, stream=ACTOR)))
        state = model.step(state, doses[-1], duration, normals(rows, zero, zero + t, model.noise_dim))
        states.append(state)
    return Course(tuple(states), torch.stack(doses, 1))


def truth_columns(memory: Tensor, names: Sequence[str] = TRUTH) -> dict[str, Tensor]:
    """Hidden columns of the sepsis model's memory (..., M) by name, each (...): for evaluation alone to read."""
    return {name: recall(memory.flatten(0, -2), name).reshape(memory.shape[:-1]) for name in names}
