"""When a chest film is taken of a septic patient, and what is remembered of the last one.

The rule is that of films on demand with a daily one at the least, as intensive care units that left routine films
behind describe it (Hejblum et al. 2009, Lancet 374:1687, compare the two ways); its numbers are design choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .imaging.film import Films
from .sepsis_memory import COLUMN as PATIENT
from .sepsis_memory import SepsisMemory
from .sepsis_observation import opacity

_EPSILON = 1e-3  # hours: a decision at 11.9999 h is the one at 12 h


class FilmMemory(NamedTuple):
    """Hidden columns behind those of `SepsisMemory`, each (B,) float32."""

    anatomy: Tensor  # a standard normal that decides what the chest looks like
    film_opacity: Tensor  # true opacity at the last film, 0..1
    film_key: Tensor  # the standard normal that keys the last film's placing, exposure and grain
    film_hours: Tensor  # of the last film, since admission
    film_spo2: Tensor  # % as observed when the last film was ordered
    film_fluid: Tensor  # mL given until then

    def films(self) -> Films:
        """What the last films are made of."""
        return Films(self.film_opacity, self.anatomy, self.film_key)


COLUMN = {**PATIENT, **{name: len(PATIENT) + place for place, name in enumerate(FilmMemory._fields)}}
"""Column of the memory (B, M) by name, the patient's and the film's."""


@dataclass(frozen=True)
class FilmOrders:
    """A film is ordered on what is observed: oxygen saturation fell, much fluid went in, or the last film is old.

    The one at admission is always taken; of those ordered later a share is missed, and ordered again at the next
    decision if the reason still holds. ValueError for what cannot be a rule.
    """

    fall: float = 3.0  # points of SpO2 below that at the last film
    fluid: float = 30.0  # mL/kg since the last film
    routine: float = 24.0  # hours since the last film
    apart: float = 4.0  # hours that lie between two films at the least
    missed: float = 0.15  # probability that an ordered film is not taken

    def __post_init__(self) -> None:
        if min(self.fall, self.fluid, self.routine, self.apart) <= 0 or not 0 <= self.missed <= 1:
            raise ValueError(f"expected missed in 0..1 and everything else positive, got {self}")

    def ordered(self, last: FilmMemory, now: tuple[Tensor, Tensor], fluid: Tensor, weight: Tensor) -> Tensor:
        """Whether a film is ordered (B,) bool; `now` is the hour and SpO2 (%), `fluid` mL so far, weight kg, each (B,).

        Nothing hidden is read: of `last`, what was observed then.
        """
        hours, spo2 = now
        since = hours - last.film_hours + _EPSILON
        reason = (last.film_spo2 - spo2 >= self.fall) | (fluid - last.film_fluid >= self.fluid * weight)
        return (since >= self.apart) & (reason | (since >= self.routine))


def photograph(
    last: FilmMemory | None, anatomy: Tensor, memory: SepsisMemory, taken: Tensor, seen: tuple[Tensor, ...]
) -> FilmMemory:
    """What is remembered of films when those of `taken` (B,) have been: `seen` is key, hours, SpO2 and fluid so far."""
    key, hours, spo2, fluid = seen
    new = FilmMemory(anatomy, opacity(memory), key, hours, spo2, fluid)
    if last is None:
        return new
    return FilmMemory(anatomy, *(torch.where(taken, n, o) for n, o in zip(new[1:], last[1:], strict=True)))
