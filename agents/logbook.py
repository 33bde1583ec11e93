"""Where learners write the curves of their training, and who looks at their policies on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..contracts import Policy


class Logbook(Protocol):
    """Takes the value of a curve at a number of decisions; TensorBoard's `SummaryWriter.add_scalar` is one."""

    def __call__(self, tag: str, scalar_value: float, global_step: int) -> object: ...


def unwritten(tag: str, scalar_value: float, global_step: int) -> None:
    """Keep no curve."""


Watch = Callable[[int, Callable[[], Policy]], None]
"""Told after every update how many decisions there were, and where to get a copy of the policy as it is then."""


def unwatched(decisions: int, policy: Callable[[], Policy]) -> None:
    """Look at nothing."""
