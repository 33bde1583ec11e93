"""A tabular patient on disk: `model.json` for what it is, `weights.safetensors` for its sparse table; no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ..trajectories.spec_json import spec_from_json, spec_to_json
from .learned_files import MODEL, WEIGHTS, kind_of
from .tabular import Tabular

KIND = "tabular"


def save_tabular(patient: Tabular, folder: str | Path) -> Path:
    """Write a patient into `folder`, made if needed; FileExistsError where a model already lies there."""
    folder = Path(folder)
    if (folder / MODEL).exists():
        raise FileExistsError(f"{folder} already holds a model; remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    flat = patient.transition.flatten()
    place = flat.nonzero()[:, 0]
    arrays = {
        "place": place,
        "probability": flat[place],
        "start": patient.start,
        "admissible": patient.admissible,
        "values": patient.values,
    }
    save_file({name: array.contiguous() for name, array in arrays.items()}, folder / WEIGHTS)
    text = {"kind": KIND, "fixed_hours": patient.fixed_hours, "spec": spec_to_json(patient.spec)}
    draft = folder / (MODEL + ".draft")  # the text comes last: a folder with it is whole
    draft.write_text(json.dumps(text, indent=1) + "\n", "utf-8")
    draft.replace(folder / MODEL)
    return folder


def load_tabular(folder: str | Path) -> Tabular:
    """The patient that `save_tabular` wrote; FileNotFoundError or ValueError say what is missing or of another kind."""
    folder = Path(folder)
    kind = kind_of(folder)
    if kind != KIND:
        raise ValueError(f"{folder} holds a model of kind {kind!r}, expected {KIND!r}")
    text = json.loads((folder / MODEL).read_text("utf-8"))
    arrays, spec = load_file(folder / WEIGHTS), spec_from_json(text["spec"])
    states = len(arrays["start"])
    transition = torch.zeros(states * spec.actions * (states + 2), dtype=torch.float64)
    transition[arrays["place"]] = arrays["probability"]
    return Tabular(
        spec,
        transition.reshape(states, spec.actions, states + 2),
        arrays["start"],
        arrays["admissible"],
        arrays["values"],
        text["fixed_hours"],
    )
