"""The picture that a tumour patient's last scan shows."""

from __future__ import annotations

from torch import Tensor

from ..contracts import PatientState
from .imaging.lesion import Lesions
from .imaging.render import Scanner, Scans, as_bytes, render
from .tumor_memory import recall


def lesions(memory: Tensor) -> Lesions:
    """The lesions (...) of the last scans in memories (..., M)."""
    names = ("scan_volume", "aspect", "anatomy", "scan_noise")
    return Lesions(*(recall(memory, name) for name in names))


def last_scans(state: PatientState, scanner: Scanner | None = None) -> Scans:
    """The last scan of every patient, in HU (B, 96, 96) with the lesion's mask; how old it is, `state.age` says."""
    return render(lesions(state.memory), scanner)


def pictures(state: PatientState, scanner: Scanner | None = None) -> Tensor:
    """The last scan of every patient as grey levels (B, 96, 96) uint8."""
    return as_bytes(last_scans(state, scanner).hu)
