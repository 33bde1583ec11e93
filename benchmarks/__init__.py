"""Paired speed comparisons against naive code, peers and the machine's limit: `python -m posology.benchmarks`."""

from __future__ import annotations

# Name of each comparison -> "module:function" in this folder; the function builds a `Contest`.
BENCHMARKS: dict[str, str] = {
    "learned_vector_1024": "stepping:learned_vector",
    "learned_sb3_256": "stepping:learned_sb3",
    "sepsis_vector_1024": "stepping:sepsis_vector",
    "hiv_4096": "mechanistic:hiv",
    "propofol_4096": "mechanistic:propofol",
    "glucose_4096": "mechanistic:glucose",
    "tumor_4096": "tumor:tumor",
    "pictures_256": "tumor:pictures",
}
