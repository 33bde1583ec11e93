"""A learned patient on disk: `model.json` for what it is, `weights.safetensors` for its numbers; no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ..trajectories.saved import read_arrays, read_json
from ..trajectories.spec_json import spec_of, spec_to_json
from .admission import Admission
from .learned_inputs import InputLayout
from .learned_setting import Setting

MODEL, WEIGHTS = "model.json", "weights.safetensors"
_ADMISSION = ("admission.quantiles", "admission.cuts", "admission.factor", "admission.grid")


@dataclass(frozen=True)
class Parts:
    """What a saved model consists of."""

    kind: str
    setting: Setting
    config: dict[str, Any]
    weights: dict[str, Tensor]


def save_parts(
    folder: str | Path, kind: str, setting: Setting, config: dict[str, Any], weights: dict[str, Tensor]
) -> Path:
    """Write a model into `folder`, made if needed; FileExistsError where one already lies there."""
    folder = Path(folder)
    if (folder / MODEL).exists():
        raise FileExistsError(f"{folder} already holds a model; remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    admission = setting.admission
    drawn = (admission.quantiles, admission.cuts, admission.factor, admission.grid)
    arrays = dict(zip(_ADMISSION, drawn, strict=True)) | weights
    text = {
        "kind": kind,
        "config": config,
        "fixed_hours": setting.fixed_hours,
        "usual_hours": setting.layout.usual_hours,
        "longest_hours": setting.longest_hours,
        "spec": spec_to_json(setting.spec),
    }
    save_file({name: array.detach().cpu().contiguous() for name, array in arrays.items()}, folder / WEIGHTS)
    draft = folder / (MODEL + ".draft")  # the text comes last: a folder with it is whole
    draft.write_text(json.dumps(text, indent=1) + "\n", "utf-8")
    draft.replace(folder / MODEL)
    return folder


def kind_of(folder: str | Path) -> str:
    """Which kind of model lies in `folder`; FileNotFoundError names what is missing."""
    return str(_read(Path(folder))["kind"])


def load_parts(folder: str | Path, kinds: tuple[str, ...]) -> Parts:
    """What `save_parts` wrote; FileNotFoundError or ValueError say what is missing or of another kind."""
    folder = Path(folder)
    text = _read(folder)
    if text["kind"] not in kinds:
        raise ValueError(f"{folder} holds a model of kind {text['kind']!r}, expected one of {', '.join(kinds)}")
    weights = read_arrays(folder / WEIGHTS)
    lacking = [name for name in _ADMISSION if name not in weights]
    if lacking:
        raise ValueError(f"{folder / WEIGHTS}: {lacking[0]} is missing; fit and save the model anew")
    absent = [name for name in ("spec", "fixed_hours", "longest_hours", "config") if name not in text]
    if absent:
        raise ValueError(f"{folder / MODEL}: {absent[0]} is missing; fit and save the model anew")
    spec = spec_of(folder / MODEL, text["spec"])
    admission = Admission(spec, *(weights.pop(name) for name in _ADMISSION))
    return Parts(
        kind=text["kind"],
        setting=Setting(
            layout=InputLayout(spec, text["usual_hours"], varying=text["fixed_hours"] is None),
            admission=admission,
            fixed_hours=text["fixed_hours"],
            longest_hours=text["longest_hours"],
        ),
        config=text["config"],
        weights=weights,
    )


def _read(folder: Path) -> dict[str, Any]:
    for name in (MODEL, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no patient model: {name} is missing")
    text = read_json(folder / MODEL)
    if "kind" not in text:
        raise ValueError(f"{folder / MODEL}: kind is missing; fit and save the model anew")
    return text
