"""Faults that end in one sentence for the user instead of a traceback."""

from __future__ import annotations

from .config import ConfigError
from .stages import RunBusyError

EXPECTED = (ConfigError, RunBusyError, FileNotFoundError, FileExistsError, PermissionError, ValueError, KeyError)
