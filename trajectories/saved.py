"""Reading what was saved: JSON and arrays. A damaged file ends in one sentence with its name and a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; ValueError where it is damaged or holds something else."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}): it is no JSON text; save it anew") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping, got {type(content).__name__}; save it anew")
    return content


def read_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays in a safetensors file; ValueError where it is damaged, FileNotFoundError where there is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; save it anew")
    try:
        return load_file(path)
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        said = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged ({said}); it may be cut short: save it anew") from None
