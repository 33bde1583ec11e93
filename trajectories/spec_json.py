"""A `Spec` as plain JSON data and back, for everything that is saved with one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..contracts import Drug, Feature, Spec

T = TypeVar("T", Feature, Drug)


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """Plain data that json can write."""
    return dataclasses.asdict(spec)


def spec_from_json(data: dict[str, Any]) -> Spec:
    """The spec of `spec_to_json`, also after a way through text; TypeError names an unknown or missing key."""
    return Spec(
        features=tuple(_part(Feature, part) for part in data["features"]),
        drugs=tuple(_part(Drug, part) for part in data["drugs"]),
        context=tuple(_part(Feature, part) for part in data["context"]),
        outcomes=tuple(data["outcomes"]),
    )


def spec_of(path: Path, data: Any) -> Spec:
    """The spec in the content of a file; ValueError names the file where it is none."""
    try:
        return spec_from_json(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected a spec, but {error} does not fit; save it anew") from None


def _part(kind: Callable[..., T], data: dict[str, Any]) -> T:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})
