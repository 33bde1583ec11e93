"""Trajectories on disk: `trajectories.safetensors` for the arrays and `spec.json` for what they mean; no pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ..contracts import Trajectories
from .saved import read_arrays, read_json
from .spec_json import spec_of, spec_to_json

_ARRAYS, _SPEC = "trajectories.safetensors", "spec.json"


def save_trajectories(trajectories: Trajectories, folder: str | Path) -> Path:
    """Write a new folder, whole or not at all; FileExistsError where it exists."""
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or choose another folder")
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    arrays = {name: value.contiguous() for name, value in vars(trajectories).items() if isinstance(value, Tensor)}
    save_file(arrays, draft / _ARRAYS)
    (draft / _SPEC).write_text(json.dumps(spec_to_json(trajectories.spec), indent=1) + "\n", "utf-8")
    return draft.rename(folder)


def load_trajectories(folder: str | Path) -> Trajectories:
    """What `save_trajectories` wrote; FileNotFoundError names what is missing, ValueError what does not fit."""
    folder = Path(folder)
    missing = [name for name in (_ARRAYS, _SPEC) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} holds no trajectories: {missing[0]} is missing")
    arrays = read_arrays(folder / _ARRAYS)
    expected = set(Trajectories.__dataclass_fields__) - {"spec"}
    if set(arrays) != expected:
        raise ValueError(f"{folder / _ARRAYS}: expected {sorted(expected)}, got {sorted(arrays)}; save it anew")
    sizes = {name: len(value) for name, value in arrays.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"{folder / _ARRAYS}: expected as many stays in every array, got {sizes}; save it anew")
    return Trajectories(spec=spec_of(folder / _SPEC, read_json(folder / _SPEC)), **arrays)
