"""Codes of events: patterns, and the numbering of the codes that a task wants."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def check_pattern(pattern: object) -> str:
    """The pattern itself; ValueError unless it is a code, or the beginning of codes followed by one asterisk."""
    if not isinstance(pattern, str) or not pattern.strip("*") or "*" in pattern[:-1]:
        raise ValueError(f"expected a code, with * at most at its end, got {pattern!r}")
    return pattern


def covers(pattern: str, code: str) -> bool:
    """Whether the pattern means this code."""
    return code.startswith(pattern[:-1]) if pattern.endswith("*") else code == pattern


class CodeBook:
    """Numbers 0, 1, ... for the wanted codes in the order they are met; everything else is -1.

    It grows with the number of different wanted codes, never with the number of events.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = set(patterns)
        self._exact = {p for p in patterns if not p.endswith("*")}
        self._prefixes = tuple(p[:-1] for p in patterns if p.endswith("*"))
        self._known: dict[str, int] = {}
        self.codes: list[str] = []  # code of each number

    def number(self, codes: list[str | None]) -> NDArray[np.int32]:
        """Number of each code (len(codes),) int32; -1 for the unwanted."""
        return np.fromiter((self._one(code) for code in codes), np.int32, len(codes))

    def matching(self, patterns: Iterable[str]) -> NDArray[np.bool_]:
        """Which of the numbers so far the patterns cover, (numbers,) bool."""
        patterns = tuple(patterns)
        return np.array([any(covers(p, code) for p in patterns) for code in self.codes], dtype=bool)

    def _one(self, code: str | None) -> int:
        if code is None:
            return -1
        number = self._known.get(code)
        if number is None:
            wanted = code in self._exact or (bool(self._prefixes) and code.startswith(self._prefixes))
            number = len(self.codes) if wanted else -1
            self._known[code] = number
            if wanted:
                self.codes.append(code)
        return number
