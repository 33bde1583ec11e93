"""The encoder that comes with the package: trained on rendered scans by `experiments/studies/encoder.py`."""

from __future__ import annotations

import functools
from pathlib import Path

from .encoder import Encoder, load_encoder

SHIPPED = Path(__file__).parent / "weights"


@functools.lru_cache(maxsize=1)
def shipped_encoder() -> Encoder:
    """The encoder of tumour scans; FileNotFoundError where the package came without its weights."""
    return load_encoder(SHIPPED)
