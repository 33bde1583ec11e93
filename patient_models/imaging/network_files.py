"""Frozen networks on disk: weights as safetensors, their description as JSON, never a pickle."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def file_names(name: str) -> tuple[str, str]:
    """File names of the description and of the weights."""
    return f"{name}.json", f"{name}.safetensors"


def write_network(folder: str | Path, name: str, network: nn.Module, text: Mapping[str, Any]) -> Path:
    """Write both files into `folder`, made if needed; FileExistsError where a network `name` already lies there."""
    folder, (described, weights) = Path(folder), file_names(name)
    if (folder / described).exists():
        raise FileExistsError(f"{folder} already holds a network {name!r}; remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    values = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    save_file(values, folder / weights)
    draft = folder / (described + ".draft")  # the text comes last: a folder with it is whole
    draft.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / described)
    return folder


def read_text(folder: str | Path, name: str, kind: str) -> dict[str, Any]:
    """The description of the network `name` of that `kind`; FileNotFoundError or ValueError say what is wrong."""
    for file in file_names(name):
        if not (Path(folder) / file).is_file():
            raise FileNotFoundError(f"{folder} holds no network {name!r}: {file} is missing")
    path = Path(folder) / file_names(name)[0]
    text: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if text.get("kind") != kind:
        raise ValueError(f"{path}: expected a network of kind {kind!r}, got {text.get('kind')!r}")
    return text


def read_weights(folder: str | Path, name: str, network: Network) -> Network:
    """The network with its weights, no longer learning; ValueError where they do not fit."""
    described, weights = (Path(folder) / file for file in file_names(name))
    try:
        network.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise ValueError(f"{weights} does not fit {described.name}: train and save it anew") from error
    return network.eval()


def on_device(network: Network, device: torch.device) -> Network:
    """The network where `device` is: itself, or a copy that is made once."""
    return network if next(network.parameters()).device == device else _copied(network, str(device))


@functools.lru_cache(maxsize=8)
def _copied(network: Network, device: str) -> Network:
    return copy.deepcopy(network).to(device).eval()
