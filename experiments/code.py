"""The code that a stage runs, as a short key: after an update its results are made anew instead of being mixed."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LEARNING = ("contracts.py", "trajectories", "patient_models", "experiments/ensembles.py", "experiments/learning.py")
PARTS = {
    "records": ("contracts.py", "trajectories"),
    "patients": _LEARNING,
    "policies": (*_LEARNING, "envs", "agents", "experiments/learners.py"),
    "verdicts": (*_LEARNING, "envs", "agents", "evaluation", "experiments"),
}
_LAST = (  # what only draws or tells the numbers that stages have found, or starts stages
    "envs/render",
    *(f"evaluation/{name}" for name in (
        "bands", "chart", "checklist", "compar", "figures", "limits", "page", "small_cells", "style", "summary",
        "text_files", "wording",
    )),
    *(f"experiments/{name}" for name in (
        "assemble", "catalogue", "cli", "code", "errors", "logs", "plan", "progress", "runner", "show", "stages",
        "status", "studies", "summaries", "task_section", "watch",
    )),
)  # fmt: skip


def code_key(kind: str, root: Path = ROOT) -> str:
    """Twelve hexadecimal digits of the sources that results of this `kind` of stage depend on."""
    digest = hashlib.sha256()
    for part in PARTS[kind]:
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            name = path.relative_to(root).as_posix()
            if not name.startswith(_LAST):
                digest.update(f"{name}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
