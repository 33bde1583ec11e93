"""Any learned or tabular patient from its folder."""

from __future__ import annotations

from pathlib import Path

from .learned_affine import Affine
from .learned_files import MODEL, WEIGHTS, kind_of
from .lstm_ensemble import KIND, LSTMEnsemble
from .tabular import Tabular
from .tabular_files import KIND as TABULAR
from .tabular_files import load_tabular


def load_model(folder: str | Path) -> LSTMEnsemble | Affine | Tabular:
    """The learned or tabular patient saved in `folder`; FileNotFoundError or ValueError where there is none."""
    kind = kind_of(folder)
    try:
        if kind == TABULAR:
            return load_tabular(folder)
        return LSTMEnsemble.load(folder) if kind == KIND else Affine.load(folder)
    except (KeyError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder}: {MODEL} and {WEIGHTS} do not fit ({said}); fit and save the model anew") from None
