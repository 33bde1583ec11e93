"""What is here, by name: for `posology list`."""

from __future__ import annotations

import importlib
import inspect
from importlib.resources import files

import yaml

from ..agents import AGENTS
from ..envs import ENVS
from ..evaluation import ESTIMATORS
from ..patient_models import MODELS
from .config import CONFIGS, shipped
from .sources import SOURCES

Entries = list[tuple[str, str]]


def catalogue() -> dict[str, Entries]:
    """Names and one-line descriptions, by kind."""
    tasks = sorted(files("posology.trajectories").joinpath("tasks").iterdir(), key=lambda f: f.name)
    return {
        "configs (posology run NAME)": [(name, _title((CONFIGS / f"{name}.yaml").read_text())) for name in shipped()],
        "tasks (cohort.task)": [
            (task.name.removesuffix(".yaml"), _title(task.read_text())) for task in tasks if task.name.endswith(".yaml")
        ],
        "patients with known truth (posology simulate NAME)": [(n, s.environment) for n, s in SOURCES.items()],
        "environments (gymnasium.make)": [(name, _first_line("envs", spot)) for name, spot in ENVS.items()],
        "patient models": [(name, _first_line("patient_models", spot)) for name, spot in MODELS.items()],
        "agents": [(name, _first_line("agents", spot)) for name, spot in AGENTS.items()],
        "estimators": [(name, _doc(entry.function)) for name, entry in ESTIMATORS.items()],
    }


def _title(text: str) -> str:
    content = yaml.safe_load(text) or {}
    return str(content.get("title", content.get("description", ""))).partition(".")[0]


def _first_line(folder: str, spot: str) -> str:
    module, member = spot.split(":")
    return _doc(getattr(importlib.import_module(f"posology.{folder}.{module}"), member))


def _doc(member: object) -> str:
    return (inspect.getdoc(member) or "").partition("\n")[0]
