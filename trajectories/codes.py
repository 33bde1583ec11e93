"""Codes of events: patterns, and the numbering of the codes that a task wants."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def check_pattern(pattern: object) -> str:
    """The pattern itself; ValueError unless it is a code, or one in which * means anything and {a,b} means a or b."""
    if not isinstance(pattern, str) or not pattern.strip("*"):
        raise ValueError(f"expected a code, in which * means anything and {{a,b}} means a or b, got {pattern!r}")
    if set("{}") & set(re.sub(r"\{[^{}]*\}", "", pattern)):
        raise ValueError(f"expected braces in pairs, as in {{a,b}}, got {pattern!r}")
    return pattern


def plain(pattern: str) -> bool:
    """Whether a pattern is one code, and means only itself."""
    return not any(sign in pattern for sign in "*{}")


def covers(pattern: str, code: str) -> bool:
    """Whether the pattern means this code."""
    return code == pattern if plain(pattern) else _compiled(pattern).fullmatch(code) is not None


def example(pattern: str) -> str:
    """A code that the pattern covers: asterisks left out, the first of each alternative."""
    return re.sub(r"\{([^,{}]*)[^{}]*\}", r"\1", pattern).replace("*", "")


@functools.lru_cache(maxsize=65536)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*|\{[^{}]*\})", pattern)
    return re.compile("".join(map(_regex, parts)), re.DOTALL)


def _regex(part: str) -> str:
    if part == "*":
        return ".*"
    if part.startswith("{"):
        return "(?:" + "|".join(re.escape(choice) for choice in part[1:-1].split(",")) + ")"
    return re.escape(part)


class CodeBook:
    """Numbers 0, 1, ... for the wanted codes in the order they are met; everything else is -1.

    It grows with the number of different wanted codes, never with the number of events.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = set(patterns)
        self._exact = {p for p in patterns if plain(p)}
        self._wide = [_compiled(p) for p in sorted(patterns) if not plain(p)]
        self._known: dict[str, int] = {}
        self._covered: dict[str, list[int]] = {}  # the numbers that a wide pattern covers, so far ...
        self._looked: dict[str, int] = {}  # ... as it was looked up with so many codes
        self.codes: list[str] = []  # code of each number

    def number(self, codes: list[str | None]) -> NDArray[np.int32]:
        """Number of each code (len(codes),) int32; -1 for the unwanted."""
        return np.fromiter((self._one(code) for code in codes), np.int32, len(codes))

    def numbers(self, pattern: str) -> list[int]:
        """The numbers so far that one pattern covers, rising."""
        if plain(pattern):
            number = self._known.get(pattern, -1)
            return [number] if number >= 0 else []
        found = self._covered.setdefault(pattern, [])
        start = self._looked.get(pattern, 0)
        found += [n for n in range(start, len(self.codes)) if covers(pattern, self.codes[n])]
        self._looked[pattern] = len(self.codes)
        return found

    def matching(self, patterns: Iterable[str]) -> NDArray[np.bool_]:
        """Which of the numbers so far the patterns cover, (numbers,) bool."""
        flags = np.zeros(len(self.codes), bool)
        for pattern in patterns:
            flags[self.numbers(pattern)] = True
        return flags

    def flags(self, patterns: Iterable[str], code: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of the numbers `code` (E,) the patterns cover, (E,) bool."""
        flags: NDArray[np.bool_] = np.append(self.matching(patterns), False)[code]  # never empty, so it can be indexed
        return flags

    def _one(self, code: str | None) -> int:
        if code is None:
            return -1
        number = self._known.get(code)
        if number is None:
            wanted = code in self._exact or any(pattern.fullmatch(code) for pattern in self._wide)
            number = len(self.codes) if wanted else -1
            self._known[code] = number
            if wanted:
                self.codes.append(code)
        return number
