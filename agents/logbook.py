"""Where learners write the curves of their training."""

from __future__ import annotations

from typing import Protocol


class Logbook(Protocol):
    """Takes the value of a curve at a number of decisions; TensorBoard's `SummaryWriter.add_scalar` is one."""

    def __call__(self, tag: str, scalar_value: float, global_step: int) -> object: ...


def unwritten(tag: str, scalar_value: float, global_step: int) -> None:
    """Keep no curve."""
