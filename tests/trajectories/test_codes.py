"""What code patterns mean."""

from __future__ import annotations

import pytest
from posology.trajectories.code_tally import variants
from posology.trajectories.codes import CodeBook, check_pattern, covers, example


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("A//b", ["A//b"], ["A//bc", "a//b", "A//", ""]),
        ("A*", ["A", "A//b", "A\nb"], ["BA", ""]),
        ("*seps*", ["sepsis", "a|severe sepsis|b"], ["sep", "SEPSIS"]),
        ("A//{x,y z}//*", ["A//x//", "A//y z//ml"], ["A//x y z//", "A//z//ml", "A//{x,y z}//"]),
        ("a.b+(c)|d*", ["a.b+(c)|d", "a.b+(c)|d e"], ["axb+(c)|d", "a.b+c|d"]),
        ("{I.V.,IV}//ml", ["I.V.//ml", "IV//ml"], ["IxVx//ml"]),
    ],
)
def test_patterns(pattern, yes, no) -> None:
    assert check_pattern(pattern) == pattern
    assert all(covers(pattern, code) for code in yes) and not any(covers(pattern, code) for code in no)
    assert covers(pattern, example(pattern))
    book = CodeBook([pattern])
    numbers = book.number([*yes, *no])
    assert (numbers[: len(yes)] >= 0).all() and (numbers[len(yes) :] == -1).all()
    assert book.matching([pattern]).all() and len(book.codes) == len(yes)


@pytest.mark.parametrize("pattern", ["", "*", "**", "a{b", "a}b", "a{b{c}}", 3, None])
def test_no_patterns(pattern) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_pattern(pattern)


def test_a_book_finds_codes_that_it_meets_later() -> None:
    book = CodeBook(["A*", "B"])
    book.number(["A1"])
    assert book.numbers("A*") == [0] and book.numbers("B") == []
    book.number(["B", "X", "A2"])
    assert book.numbers("A*") == [0, 2] and book.numbers("B") == [1]


def test_a_code_in_any_unit() -> None:
    assert variants("LAB//lactate//mmol/L") == "LAB//lactate//*"
    assert variants("WEIGHT//kg") is None and variants("A//b//*") is None and variants("A//b//") is None
