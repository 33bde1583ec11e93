"""Any learned patient from its folder."""

from __future__ import annotations

from pathlib import Path

from .learned_affine import Affine
from .learned_files import kind_of
from .lstm_ensemble import KIND, LSTMEnsemble


def load_model(folder: str | Path) -> LSTMEnsemble | Affine:
    """The learned patient saved in `folder`; FileNotFoundError or ValueError where there is none."""
    return LSTMEnsemble.load(folder) if kind_of(folder) == KIND else Affine.load(folder)
