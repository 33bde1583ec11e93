"""A ward of B beds: the one stepping loop behind every shell, as a pure function of the ward.

A row's noise depends on its own (seed, admission, step) only. A bed whose patient died, left or reached the horizon
is filled at once by the next admission under the same seed (Gymnasium's SAME_STEP autoreset), which loses no step of
any other bed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Step, Treatment
from .batches import where
from .noise import ADMISSION, normals


@dataclass(frozen=True)
class Ward:
    """Who lies in B beds, and which noise comes next."""

    seed: Tensor  # (B,) int64
    admission: Tensor  # (B,) int64: how many patients each bed has had before this one
    decision: Tensor  # (B,) int64: decisions made in this stay
    state: PatientState


@dataclass(frozen=True)
class Round:
    """One decision for every bed."""

    ward: Ward  # after the autoreset
    obs: Tensor  # (B, O) of `ward`
    step: Step  # what happened; its state is that before any reset
    final_obs: Tensor  # (B, O) of `step.state`
    done: Tensor  # (B,) bool: terminated or truncated


def open_ward(treatment: Treatment, seed: Tensor, admission: Tensor | None = None) -> Ward:
    """Admit one patient per seed (B,) int64: each bed's first, or its number `admission` (B,)."""
    admission = torch.zeros_like(seed) if admission is None else admission
    start = torch.zeros_like(seed)
    noise = normals(seed, admission, start, treatment.admit_noise_dim, stream=ADMISSION)
    return Ward(seed, admission, start, treatment.admit(noise))


def decide(treatment: Treatment, ward: Ward, action: Tensor) -> Step:
    """Carry out one action (B,) in every bed."""
    noise = normals(ward.seed, ward.admission, ward.decision, treatment.noise_dim)
    return treatment.step(ward.state, action, treatment.interval(ward.state, action), noise)


def advance(treatment: Treatment, ward: Ward, action: Tensor) -> Round:
    """One decision in every bed, then the next admission where a stay has ended.

    On the CPU only the ended rows are admitted anew; on an accelerator all are and a mask picks, so that nothing
    synchronises with the host.
    """
    step = decide(treatment, ward, action)
    done = step.terminated | step.truncated
    final_obs = treatment.observe(step.state)
    stayed = Ward(ward.seed, ward.admission, ward.decision + 1, step.state)
    if resets_by_index(done.device):
        rows = done.nonzero()[:, 0]
        if not len(rows):
            return Round(stayed, final_obs, step, final_obs, done)
        fresh = open_ward(treatment, ward.seed[rows], ward.admission[rows] + 1)
        obs = final_obs.index_put((rows,), treatment.observe(fresh.state))
        return Round(put(stayed, rows, fresh), obs, step, final_obs, done)
    fresh = open_ward(treatment, ward.seed, ward.admission + 1)
    state = where(done, fresh.state, step.state)
    decision = torch.where(done, 0, ward.decision + 1)
    next_ward = Ward(ward.seed, torch.where(done, fresh.admission, ward.admission), decision, state)
    return Round(next_ward, treatment.observe(state), step, final_obs, done)


def resets_by_index(device: torch.device) -> bool:
    """Whether counting the ended rows is cheaper than admitting all of them."""
    return device.type == "cpu"


def put(ward: Ward, rows: Tensor, fresh: Ward) -> Ward:
    """The ward with beds `rows` (R,) int64 taken from `fresh` (R beds)."""

    def place(x: Tensor, y: Tensor) -> Tensor:
        return x.index_put((rows,), y.to(x.dtype))

    names = [f.name for f in dataclasses.fields(PatientState)]
    state = PatientState(*(place(getattr(ward.state, n), getattr(fresh.state, n)) for n in names))
    seed, admission = place(ward.seed, fresh.seed), place(ward.admission, fresh.admission)
    return Ward(seed, admission, place(ward.decision, fresh.decision), state)


def asked(step: Step) -> dict[str, Tensor]:
    """What was asked for where a shield stands between: `intended` doses (B, U) and costs `attempted` (B, J)."""
    known = {"intended": step.intended, "attempted": step.attempted}
    return {name: value for name, value in known.items() if value is not None}


def executed(treatment: Treatment, before: PatientState, action: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """Beds (R,) int64 where another dose was given than `action` (B,) or (B, U) asks for, and the actions of those.

    A limit or a shield stands between. What an off-policy learner learns from is what was executed.
    """
    wanted = treatment.decode(before, action)
    rows = ((step.dose - wanted).abs() > 1e-5 * (1 + wanted.abs())).any(1).nonzero()[:, 0]
    return rows, treatment.encode(before.rows(rows), step.dose[rows])
