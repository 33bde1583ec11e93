"""Comparing runs, from folders to files: comparison.json and comparison.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .compare_page import comparison_page
from .comparison import Comparison, compare
from .text_files import write_text

__all__ = ["COMPARISON_FILE", "COMPARISON_PAGE", "Comparison", "compare", "compare_runs"]

COMPARISON_FILE = "comparison.json"
COMPARISON_PAGE = "comparison.html"


def compare_runs(folders: Sequence[Path | str], out: Path | str) -> Path:
    """Compare run folders; writes both files into `out` and returns the page's path.

    ValueError, before anything is written, for runs that do not compare; see `comparison.compare`.
    """
    comparison = compare(folders)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / COMPARISON_FILE, comparison.model_dump_json(indent=1) + "\n")
    return write_text(folder / COMPARISON_PAGE, comparison_page(comparison))
