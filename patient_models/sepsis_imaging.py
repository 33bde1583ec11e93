"""The septic patient seen on chest films: each is rendered, and what a network reads in it becomes the state."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState, Spec
from ..trajectories import ward
from ..trajectories.carry import carry
from .imaging.film import Technique, film_bytes, render_films
from .imaging.film_chests import PIXELS
from .imaging.film_reader import FilmReader, shipped_film_reader
from .sepsis import Sepsis
from .sepsis_clinician import SepsisClinician
from .sepsis_film_orders import FilmMemory, FilmOrders, photograph
from .sepsis_imaging_spec import EMBEDDING, IMAGING_SPEC
from .sepsis_memory import SepsisMemory
from .sepsis_observation import remember
from .sepsis_spec import FEATURES

BASE, HIDDEN = len(FEATURES), len(SepsisMemory._fields)  # columns of the patient beneath
SPO2, FILM = IMAGING_SPEC.feature("spo2"), IMAGING_SPEC.feature("film")
FLUID, WEIGHT = IMAGING_SPEC.drug("fluid"), IMAGING_SPEC.context_column("weight")
_HISTORY = ("observations", "mean_irregularity", "first_film", "first_spo2", "wetness")


@dataclass(frozen=True, eq=False)
class SepsisImaging:
    """A `PatientModel`: `patient` with the reader's token of the last chest film in place of the film's true opacity.

    Opacity follows lung water as in `sepsis_observation.opacity`; nobody sees either. Course and chance are those of
    `patient`, whose own reading noise of the film keys the picture instead. On the CPU only films that were taken are
    rendered; on an accelerator all are, so that nothing waits. ValueError where the embedding has another size.
    """

    patient: Sepsis = field(default_factory=Sepsis)
    orders: FilmOrders = field(default_factory=FilmOrders)
    reader: FilmReader = field(default_factory=shipped_film_reader)
    technique: Technique = field(default_factory=Technique)

    def __post_init__(self) -> None:
        if self.reader.config.embedding != EMBEDDING:
            raise ValueError(f"expected a reader with {EMBEDDING} columns of embedding, got {self.reader.config}")

    @property
    def spec(self) -> Spec:
        return IMAGING_SPEC

    @property
    def noise_dim(self) -> int:
        return self.patient.noise_dim + 1

    @property
    def admit_noise_dim(self) -> int:
        return self.patient.admit_noise_dim + 1

    @property
    def fixed_hours(self) -> float | None:
        return self.patient.fixed_hours

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> SepsisClinician:
        """The behaviour policy of the cohort."""
        return self.patient.clinician(confounding, hidden_confounding)

    @property
    def picture_shape(self) -> tuple[int, int]:
        """Height and width of a film in pixels."""
        return PIXELS, PIXELS

    def pictures(self, state: PatientState) -> Tensor:
        """The last film of every patient as grey levels (B, 96, 96) uint8."""
        return film_bytes(render_films(_unpacked(state.memory)[1].films(), self.technique).grey)

    def picture_age(self, state: PatientState) -> Tensor:
        """How many hours ago (B,) that film was taken."""
        return state.hours - _unpacked(state.memory)[1].film_hours

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients at admission, everything measured and a film taken; noise (B, 39), the last column the anatomy."""
        _expect("noise", noise, self.admit_noise_dim)
        state = self.patient.admit(context, noise[:, :-1])
        memory = SepsisMemory.unpack(state.memory)
        everyone = torch.ones_like(state.hours, dtype=torch.bool)
        seen = (noise[:, -2], state.hours, state.vitals[:, SPO2], state.total_dose[:, FLUID])
        film = photograph(None, noise[:, -1], memory, everyone, seen)
        vitals = _with_token(state.vitals, self._token(film, everyone))
        nothing = memory._replace(**{name: torch.zeros_like(state.hours) for name in _HISTORY})
        return state.replace(
            vitals=vitals,
            seen=torch.ones_like(vitals, dtype=torch.bool),
            age=torch.zeros_like(vitals),
            memory=_packed(remember(nothing, vitals), film),
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients `hours` (B,) later; noise (B, 16), the last column whether an ordered film is missed."""
        _expect("noise", noise, self.noise_dim)
        before, last = _unpacked(state.memory)
        plain = state.replace(
            vitals=state.vitals[:, :BASE],
            seen=state.seen[:, :BASE],
            age=state.age[:, :BASE],
            memory=state.memory[:, :HIDDEN],
        )
        after = self.patient.step(plain, dose, hours, noise[:, :-1])
        memory = SepsisMemory.unpack(after.memory)
        spo2, fluid = after.vitals[:, SPO2], after.total_dose[:, FLUID]
        ordered = self.orders.ordered(last, (after.hours, spo2), fluid, state.context[:, WEIGHT])
        taken = ordered & (ndtr(noise[:, -1]) >= self.orders.missed) & (after.outcome == 0)
        film = photograph(last, last.anatomy, memory, taken, (noise[:, -2], after.hours, spo2, fluid))
        seen = torch.cat((after.seen[:, :FILM], taken[:, None].expand(-1, EMBEDDING + 2)), 1)
        measured = _with_token(after.vitals, self._token(film, taken))
        vitals, age = carry(IMAGING_SPEC, state.vitals, state.age, hours, measured, seen)
        memory = remember(memory._replace(**{name: getattr(before, name) for name in _HISTORY}), vitals)
        return after.replace(vitals=vitals, seen=seen, age=age, memory=_packed(memory, film))

    def _token(self, film: FilmMemory, taken: Tensor) -> Tensor:
        """Opacity, spread and embedding (B, 2 + E) of the films that were `taken` (B,); others as may be."""
        if not ward.resets_by_index(taken.device):
            return self._read(film)
        rows = taken.nonzero()[:, 0]
        token = film.anatomy.new_zeros(len(taken), 2 + EMBEDDING)
        return token.index_copy(0, rows, self._read(FilmMemory(*(x[rows] for x in film)))) if len(rows) else token

    def _read(self, film: FilmMemory) -> Tensor:
        found = self.reader.read(render_films(film.films(), self.technique).grey)
        return torch.cat((found.opacity[:, None], found.spread[:, None], found.embedding), 1)


def _with_token(vitals: Tensor, token: Tensor) -> Tensor:
    """Values (B, D) within their bounds, of which the film's are the token's."""
    columns = [*vitals[:, :FILM].unbind(1), *token.unbind(1)]
    return torch.stack([c.clamp(f.low, f.high) for c, f in zip(columns, IMAGING_SPEC.features, strict=True)], 1)


def _packed(memory: SepsisMemory, film: FilmMemory) -> Tensor:
    return torch.stack((*memory, *film), 1)


def _unpacked(memory: Tensor) -> tuple[SepsisMemory, FilmMemory]:
    columns = memory.t().contiguous().unbind(0)
    return SepsisMemory(*columns[:HIDDEN]), FilmMemory(*columns[HIDDEN:])


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
