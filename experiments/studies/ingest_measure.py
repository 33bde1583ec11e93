"""One reading in this process, as JSON: `python -m posology.experiments.studies.ingest_measure PATH TASK READER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from .ingest import measure

if __name__ == "__main__":
    typer.echo(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
