"""A fingerprint of a cohort: equal for the same stays, whatever their padding or device."""

from __future__ import annotations

import hashlib
import json

from torch import Tensor

from ..contracts import Trajectories
from .carry import pad
from .spec_json import spec_to_json


def fingerprint(trajectories: Trajectories) -> str:
    """SHA-256 (64 hexadecimal digits) of the spec and of every array, padded canonically and cut to the longest stay.

    The order of stays counts; `read_trajectories` returns them by subject and time.
    """
    t = pad(trajectories.to("cpu"))
    longest = int(t.length.max()) if len(t) else 0
    t = t.replace(
        **{name: getattr(t, name)[:, : longest + 1] for name in ("vitals", "seen", "age")},
        **{name: getattr(t, name)[:, :longest] for name in ("dose", "hours", "mask")},
    )
    digest = hashlib.sha256(json.dumps(spec_to_json(t.spec), sort_keys=True).encode())
    for name, value in sorted(vars(t).items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            value = value + 0.0 if value.is_floating_point() else value  # -0 is 0
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
