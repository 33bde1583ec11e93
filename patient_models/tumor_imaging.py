"""The tumour patient seen through scans: each is rendered, and what an encoder reads in it becomes its state."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories import ward
from ..trajectories.carry import carry
from .imaging.encoder import Encoder
from .imaging.render import Scanner, render
from .imaging.shipped import shipped_encoder
from .tumor import Tumor
from .tumor_clinician import TumorClinician
from .tumor_imaging_spec import EMBEDDING, IMAGING_SPEC
from .tumor_scan import lesions, pictures
from .tumor_spec import FEATURES

BASE = len(FEATURES)
VOLUME, DIAMETER = IMAGING_SPEC.feature("volume"), IMAGING_SPEC.feature("diameter")


@dataclass(frozen=True, eq=False)
class TumorImaging:
    """A `PatientModel`: `patient` with the encoder's state token in place of a radiologist's sizes.

    Memory, chance and course are those of `patient`. On the CPU only scans that were taken are rendered; on an
    accelerator all are, so that nothing waits. ValueError where the encoder's embedding has another size.
    """

    patient: Tumor = field(default_factory=Tumor)
    encoder: Encoder = field(default_factory=shipped_encoder)
    scanner: Scanner = field(default_factory=Scanner)

    def __post_init__(self) -> None:
        if self.encoder.config.embedding != EMBEDDING or self.encoder.config.dimensions != 2:
            raise ValueError(
                f"expected an encoder of slices with {EMBEDDING} columns of embedding, got {self.encoder.config}"
            )

    @property
    def spec(self) -> Spec:
        return IMAGING_SPEC

    @property
    def noise_dim(self) -> int:
        return self.patient.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        return self.patient.admit_noise_dim

    @property
    def fixed_hours(self) -> float | None:
        return self.patient.fixed_hours

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> TumorClinician:
        """The behaviour policy of the cohort, which reads the encoder's diameter."""
        return self.patient.clinician(confounding, hidden_confounding)

    @property
    def picture_shape(self) -> tuple[int, int]:
        """Height and width of a scan in pixels."""
        return self.patient.picture_shape

    def pictures(self, state: PatientState) -> Tensor:
        """The last scan of every patient as grey levels (B, 96, 96) uint8."""
        return pictures(state, self.scanner)

    def picture_age(self, state: PatientState) -> Tensor:
        """How many hours ago (B,) that scan was taken."""
        return self.patient.picture_age(state)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """New patients, everything measured and scanned once."""
        state = self.patient.admit(context, noise)
        token = self._token(state.memory, state.seen[:, VOLUME])
        vitals = _with_token(state.vitals, token)
        return state.replace(
            vitals=vitals, seen=torch.ones_like(vitals, dtype=torch.bool), age=torch.zeros_like(vitals)
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients a week later; see `Tumor.step`."""
        plain = state.replace(vitals=state.vitals[:, :BASE], seen=state.seen[:, :BASE], age=state.age[:, :BASE])
        after = self.patient.step(plain, dose, hours, noise)
        scanned = after.seen[:, VOLUME]
        seen = torch.cat((after.seen, scanned[:, None].expand(-1, EMBEDDING + 1)), 1)
        measured = _with_token(after.vitals, self._token(after.memory, scanned))
        vitals, age = carry(IMAGING_SPEC, state.vitals, state.age, hours, measured, seen)
        return after.replace(vitals=vitals, seen=seen, age=age)

    def _token(self, memory: Tensor, scanned: Tensor) -> Tensor:
        """Volume, diameter, spread and embedding (B, 3 + E) of the scans that were `scanned` (B,); others as may be."""
        if not ward.resets_by_index(memory.device):
            return self._read(memory)
        rows = scanned.nonzero()[:, 0]
        token = memory.new_zeros(len(memory), 3 + EMBEDDING)
        return token.index_copy(0, rows, self._read(memory[rows])) if len(rows) else token

    def _read(self, memory: Tensor) -> Tensor:
        found = self.encoder.encode(render(lesions(memory), self.scanner).hu)
        sizes = torch.stack((found.volume, found.diameter, found.volume_spread), 1)
        return torch.cat((sizes, found.embedding), 1)


def _with_token(vitals: Tensor, token: Tensor) -> Tensor:
    """Values (B, D) within their bounds, of which the scan's are the token's."""
    columns = [*vitals.unbind(1), *token[:, 2:].unbind(1)]
    columns[VOLUME], columns[DIAMETER] = token[:, 0], token[:, 1]
    return torch.stack([c.clamp(f.low, f.high) for c, f in zip(columns, IMAGING_SPEC.features, strict=True)], 1)
