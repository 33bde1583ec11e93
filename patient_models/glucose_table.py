"""The 30 public virtual patients with type 1 diabetes: a table of published figures."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor

GROUPS = ("adolescent", "adult", "child")
STATES = tuple(f"x{i}" for i in range(1, 14))
PARAMETERS = (
    *("BW", "kabs", "kmax", "kmin", "b", "d", "Vg", "Vi", "Ib", "Vmx", "Km0", "k2", "k1", "p2u", "m1", "m2", "m4"),
    *("m30", "ki", "kp1", "kp2", "kp3", "f", "ke1", "ke2", "Fsnc", "Vm0", "kd", "ksc", "ka1", "ka2", "u2ss"),
)
"""Names of Dalla Man et al. (2007), IEEE Trans Biomed Eng 54:1740; BW is body weight (kg), u2ss pmol/kg/min."""
ADVICE = ("CR", "CF", "Age", "TDI")  # g/U, mg/dL/U, years, U/day


@dataclass(frozen=True)
class VirtualPatients:
    """P patients by name, the state at rest (13, P), the parameters (32, P), and what they are told (4, P)."""

    names: tuple[str, ...]
    rest: Tensor
    parameters: Tensor
    advice: Tensor

    def members(self, group: str) -> tuple[int, ...]:
        """Places of a group's patients, or of all; ValueError names the known groups."""
        if group not in (*GROUPS, "all"):
            raise ValueError(f"no group {group!r} of virtual patients; known: all, {', '.join(GROUPS)}")
        return tuple(i for i, name in enumerate(self.names) if group in ("all", name.split("#")[0]))


@functools.lru_cache(maxsize=8)
def virtual_patients(device: torch.device | str = "cpu") -> VirtualPatients:
    """The table, on `device`."""
    text = resources.files(__package__).joinpath("glucose_patients.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))

    def columns(names: tuple[str, ...]) -> Tensor:
        return torch.tensor([[float(row[name]) for row in rows] for name in names], device=device)

    return VirtualPatients(tuple(row["Name"] for row in rows), columns(STATES), columns(PARAMETERS), columns(ADVICE))
