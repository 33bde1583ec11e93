"""How a patient evolves: mechanistic and learned models behind one contract."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .learned_affine import Affine
    from .lstm_ensemble import LSTMEnsemble
    from .tabular import Tabular

MODELS: dict[str, str] = {
    "sepsis": "sepsis:Sepsis",
    "sepsis_imaging": "sepsis_imaging:SepsisImaging",
    "tumor": "tumor:Tumor",
    "tumor_imaging": "tumor_imaging:TumorImaging",
    "tumor_benchmark": "tumor_benchmark:TumorBenchmark",
    "hiv": "hiv:HIV",
    "glucose": "glucose:Glucose",
    "propofol": "propofol:Propofol",
    "icu_sepsis": "icu_sepsis:icu_sepsis",
    "warfarin": "warfarin:Warfarin",
    "lstm": "lstm:fit_lstm",
    "linear": "linear:fit_linear",
    "persistence": "persistence:fit_persistence",
}
"""Every patient model, as module:name of what builds it (mechanistic) or fits it (learned); imported when used."""


def model(name: str) -> Callable[..., Any]:
    """What builds or fits the patient model `name`; KeyError names the known ones."""
    if name not in MODELS:
        raise KeyError(f"no patient model {name!r}; known: {', '.join(MODELS)}")
    module, _, attribute = MODELS[name].partition(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(f".{module}", __name__), attribute)
    return builder


def load_model(folder: str | Path) -> LSTMEnsemble | Affine | Tabular:
    """The learned or tabular patient saved in `folder`; FileNotFoundError or ValueError say what is wrong."""
    from .learned_model import load_model as load

    return load(folder)
