"""Whether constraints leave a dose to give: looked at before anybody is treated, on states met under random doses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..contracts import Constraint, PatientState, Treatment
from ..trajectories.noise import ACTOR, ADMISSION, normals, seeds

_STEPS = 10  # decisions that each sampled patient is followed for, at most

Nearest = Callable[[PatientState, Tensor], tuple[Tensor, Tensor]]


@torch.no_grad()
def require_feasible(
    treatment: Treatment, nearest: Nearest, hard: Sequence[Constraint], *, states: int = 10_000, seed: int = 0
) -> None:
    """ValueError with an example where one of `states` sampled states leaves no permitted dose.

    Patients are treated at random, with the permitted doses nearest to random ones.
    """
    if not hard or states < 1:
        return
    steps = min(_STEPS, treatment.horizon)
    rows = seeds(seed, -(-states // steps))
    zero = torch.zeros_like(rows)
    state = treatment.admit(normals(rows, zero, zero, treatment.admit_noise_dim, stream=ADMISSION))
    for t in range(steps):
        wish = _random(treatment, normals(rows, zero, zero + t, len(treatment.spec.drugs), stream=ACTOR))
        action, possible = nearest(state, wish)
        stuck = ~possible & (state.outcome == 0)
        if bool(stuck.any()):
            number = int(stuck.sum())
            raise ValueError(
                f"{', '.join(c.name for c in hard)}: together they leave no dose in {number} of {len(rows)} states at "
                f"decision {t + 1}, for example {_describe(treatment, state, int(stuck.nonzero()[0]))}; "
                "relax one, or declare a fallback"
            )
        noise = normals(rows, zero, zero + t, treatment.noise_dim)
        state = treatment.step(state, action, treatment.interval(state, action), noise).state


def _random(treatment: Treatment, noise: Tensor) -> Tensor:
    uniform: Tensor = torch.special.ndtr(noise)
    if treatment.actions is None:
        return 2 * uniform - 1
    return (uniform[:, 0] * treatment.actions).long().clamp_max(treatment.actions - 1)


def _describe(treatment: Treatment, state: PatientState, row: int) -> str:
    """A state in words: every measurement, and what was given before."""
    spec = treatment.spec
    values = [f"{f.name} {float(state.vitals[row, i]):.4g} {f.unit}".strip() for i, f in enumerate(spec.features)]
    given = [f"last {d.name} {float(state.last_dose[row, i]):.4g} {d.unit}" for i, d in enumerate(spec.drugs)]
    shown = values if len(values) <= 16 else [*values[:16], f"and {len(values) - 16} more"]
    return ", ".join([*shown, *given])
