"""From a name and options to a treatment."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import cast

from ..contracts import Treatment
from .rewards import Reward


def build(table: Mapping[str, str], name: str, options: Mapping[str, object]) -> Treatment:
    """Call the builder that `table` names "module:function" with these options.

    KeyError for an unknown name, TypeError for an unknown option; both name the nearest known one.
    """
    return cast(Treatment, _call(table, "environment", name, options))


def build_reward(table: Mapping[str, str], name: str, options: Mapping[str, object]) -> Reward:
    """As `build`, for a table of rewards."""
    return cast(Reward, _call(table, "reward", name, options))


def _call(table: Mapping[str, str], kind: str, name: str, options: Mapping[str, object]) -> object:
    if name not in table:
        raise KeyError(f"no {kind} {name!r}{_nearest(name, list(table))}; known: {', '.join(table)}")
    module, function = table[name].split(":")
    builder = getattr(importlib.import_module(f".{module}", __package__), function)
    known = list(inspect.signature(builder).parameters)
    for option in options:
        if option not in known:
            raise TypeError(f"{name} has no option {option!r}{_nearest(option, known)}; known: {', '.join(known)}")
    return builder(**options)


def treatment_of(table: Mapping[str, str], env: str | Treatment, options: Mapping[str, object]) -> Treatment:
    """A treatment as it is, or the one named; TypeError for options beside a treatment, which has its own."""
    if isinstance(env, str):
        return build(table, env, options)
    if options:
        raise TypeError(f"options {', '.join(options)} belong to a named environment: set them on the treatment itself")
    return env


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
