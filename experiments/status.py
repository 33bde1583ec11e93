"""Where a run stands: every stage with its key, its state, its time, and what made it stale."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .config import ConfigError, ExperimentConfig, load_config
from .plan import Plan, Planned, plan_of
from .stages import LOCK, checkpoints, receipt, unfinished

State = Literal["done", "stale", "running", "interrupted", "waiting"]
_LONGEST = 40  # characters of a value that a reason quotes


@dataclass(frozen=True)
class StageStatus:
    """One stage of a run as it lies on disk. `why` says what changed, or from where it will go on."""

    name: str
    title: str
    key: str
    state: State
    seconds: float | None
    why: tuple[str, ...] = ()


def status(folder: Path) -> tuple[ExperimentConfig, list[StageStatus]]:
    """The config of the run in `folder`, and its stages in the order of its work; nothing is changed.

    A stage is stale where a finished one stands under another key than the config, the data and this version of
    Posology now ask for. ConfigError where there is no run, or its data are gone.
    """
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"no run in {folder}: expected the folder that `posology run` names, with config.yaml")
    config = load_config(folder / "config.yaml")
    plan, busy = plan_of(config), _busy(folder)
    return config, [_status(folder, stage, plan, busy) for stage in plan.values()]


def _status(folder: Path, stage: Planned, plan: Plan, busy: bool) -> StageStatus:
    found = receipt(folder / stage.name)
    seconds = None if found is None else found["seconds"]
    if found is not None and found["key"] == stage.key:
        return StageStatus(stage.name, stage.title, stage.key, "done", seconds)
    work = unfinished(folder, stage.name)
    if work.is_dir():
        why = _progress(folder, stage)
        return StageStatus(stage.name, stage.title, stage.key, "running" if busy else "interrupted", seconds, why)
    if found is not None:
        return StageStatus(stage.name, stage.title, stage.key, "stale", seconds, _changes(found, stage))
    return StageStatus(stage.name, stage.title, stage.key, "waiting", None)


def _progress(folder: Path, stage: Planned) -> tuple[str, ...]:
    kept = checkpoints(folder, stage)
    if not kept:
        return ("starts over: it keeps no checkpoint",)
    age = time.time() - max(path.stat().st_mtime for path in kept)
    return (f"goes on from its checkpoint, written {_ago(age)} ago",)


def _ago(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def _changes(found: Mapping[str, Any], stage: Planned) -> tuple[str, ...]:
    """What differs between the inputs that a stage was made from and those that it would be made from now."""
    before, now = found.get("needs", {}), stage.needs
    other = [name for name in now if before.get(name) != now[name]]
    reasons = [f"{', '.join(other)} changed"] if other else []
    old, new = _flat(found.get("settings", {})), _flat(stage.settings)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            reasons.append(f"{name}: {_short(old, name)} became {_short(new, name)}")
    return tuple(reasons)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _short(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        return "nothing"
    text = json.dumps(settings[name], ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _busy(folder: Path) -> bool:
    """Whether a process holds the run."""
    if not (folder / LOCK).is_file():
        return False
    with (folder / LOCK).open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
