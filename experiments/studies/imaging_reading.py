"""How an encoder errs in volume and diameter, by the tumour's size: measured on rendered scans, then drawn at will.

A policy meets a million scans in training. Rendering and reading each would take half an hour, drawing its error takes
none: quantiles of the errors by size, of which a part stays with the patient, whose lesion lies where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.special import ndtr

from ...contracts import PatientState, Spec, Treatment
from ...patient_models.tumor import COURSE_NOISE, Tumor
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_patients import PATIENT_NOISE
from ...patient_models.tumor_rule import TumorRule
from ...patient_models.tumor_spec import SPEC, WEEK
from ...trajectories.rollout import rollout

EDGES = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 50.0, 150.0)  # cm3, between groups of size
LEVELS = 41  # quantiles kept of each group
FEWEST = 20  # scans of a group; with fewer, all scans stand for it
SIZES = (SPEC.feature("volume"), SPEC.feature("diameter"))
FIRST = 7 * 10**12  # seed of the first patient read


@dataclass(frozen=True, eq=False)
class Reading:
    """Errors of the logarithm: quantiles (G, L) of volume and diameter, by the true volume at the scan.

    `persistent` of their variance lies between patients rather than between scans of one.
    """

    volume: Tensor
    diameter: Tensor
    persistent: float

    def errors(self, truth: Tensor, own: Tensor, fresh: Tensor) -> Tensor:
        """Errors (B, 2) of volume and diameter for true volumes (B,), from normals own (B,) and fresh (B, 2)."""
        group = torch.bucketize(truth, truth.new_tensor(EDGES))
        z = self.persistent**0.5 * own[:, None] + (1 - self.persistent) ** 0.5 * fresh
        place = ndtr(z) * (LEVELS - 1)
        left = place.floor().clamp(0, LEVELS - 2).long()
        table = torch.stack((self.volume, self.diameter)).to(truth)[:, group]  # (2, B, L)
        low = table.gather(2, left.t()[:, :, None])[..., 0]
        high = table.gather(2, left.t()[:, :, None] + 1)[..., 0]
        errors: Tensor = low + (place - left).t() * (high - low)
        return errors.t()


def measured(treatment: Treatment, patients: int) -> dict[str, Any]:
    """Quantiles of errors on the scans of `patients` under the documented rule, and the share between patients."""
    done = rollout(treatment, TumorRule(), patients, seed=FIRST, keep_memory=True)
    assert done.memory is not None
    seen = done.trajectories.seen[:, :, SIZES[0]]
    truth, aspect = recall(done.memory, "scan_volume").contiguous(), recall(done.memory, "aspect")
    exact = torch.stack((truth, (truth * (6 / torch.pi)) ** (1 / 3) * aspect.sqrt()), 2)
    read = done.trajectories.vitals[:, :, list(SIZES)]
    error = (read.clamp_min(0.01) / exact.clamp_min(0.01)).log()
    group = torch.bucketize(truth, torch.tensor(EDGES))
    at = torch.linspace(0, 1, LEVELS)
    found: dict[str, Any] = {"edges": list(EDGES), "scans": int(seen.sum())}
    for column, name in enumerate(("volume", "diameter")):
        groups = [error[..., column][seen & (group == g)] for g in range(len(EDGES) + 1)]
        rows = [torch.quantile(part if len(part) >= FEWEST else error[..., column][seen], at) for part in groups]
        found[name] = [[round(x, 4) for x in row.tolist()] for row in rows]
    return found | {"persistent": _between(error[..., 0].clamp(-1, 1), seen & (truth > EDGES[4]))}


def _between(error: Tensor, kept: Tensor) -> float:
    """Share of the variance of errors (N, T) that lies between patients, by one-way analysis of variance."""
    count = kept.sum(1).double()
    rows = count >= 2
    count, error, kept = count[rows], error[rows].double(), kept[rows]
    mean = (error * kept).sum(1) / count
    within = ((error - mean[:, None]).square() * kept).sum() / (count - 1).sum()
    between = (mean - mean.mean()).square().mean() - (within / count).mean()
    return float((between / (between + within)).clamp(0, 1))


def reading_of(found: dict[str, Any]) -> Reading:
    """The errors that `measured` found."""
    return Reading(torch.tensor(found["volume"]), torch.tensor(found["diameter"]), found["persistent"])


@dataclass(frozen=True, eq=False)
class ErringReading:
    """The tumour patient with sizes as a `reading` would have them; `inner` reports its sizes without error."""

    inner: Tumor
    reading: Reading
    spec: Spec = SPEC
    fixed_hours: float | None = WEEK

    @property
    def noise_dim(self) -> int:
        return self.inner.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        return self.inner.admit_noise_dim

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        return self._read(self.inner.admit(context, noise), noise[:, PATIENT_NOISE + 1 : PATIENT_NOISE + 3])

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        return self._read(self.inner.step(state, dose, hours, noise), noise[:, COURSE_NOISE + 1 : COURSE_NOISE + 3])

    def _read(self, state: PatientState, fresh: Tensor) -> PatientState:
        """The state with errors in what was scanned just now."""
        truth, own = recall(state.memory, "scan_volume"), recall(state.memory, "anatomy")
        factor = self.reading.errors(truth, own, fresh).exp()
        columns = list(state.vitals.unbind(1))
        for place, column in enumerate(SIZES):
            bounds = SPEC.features[column]
            erring = (columns[column] * factor[:, place]).clamp(bounds.low, bounds.high)
            columns[column] = torch.where(state.seen[:, column], erring, columns[column])
        return state.replace(vitals=torch.stack(columns, 1))
