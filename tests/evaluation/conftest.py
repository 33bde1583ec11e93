"""Fixtures of the report's tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def examples() -> ModuleType:
    """The example reports: `examples.known_truth()`, `examples.records()`."""
    _module("example_parts")
    _module("example_tree")
    _module("example_sensitivity")
    _module("example_distributions")
    return _module("example_reports")


@pytest.fixture(scope="session")
def enumerated() -> ModuleType:
    """Small decision processes with exact values: `enumerated.process(seed)`."""
    return _module("enumerated")
