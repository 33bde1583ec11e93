"""Hard limits of warfarin dosing: the greatest dose, the greatest change, and none while the INR is too high."""

from __future__ import annotations

from ..contracts import Constraint, Spec
from .change_limit import ChangeLimit
from .constraints import DoseLimit
from .sensitive_start import SensitiveStart
from .withheld import Withheld


def warfarin_limits(spec: Spec, interval_hours: float) -> tuple[Constraint, ...]:
    """Up to 15 mg/d, changes by at most a quarter from visit to visit, and none above an INR of 5 (design choices).

    Where genotypes are recorded, at most 3 mg/d to start with for who has a CYP2C9 *3 allele or VKORC1 A/A.
    """
    drug = spec.drug("warfarin")
    always: tuple[Constraint, ...] = (
        DoseLimit("warfarin limit", drug, 15.0, "mg/d"),
        ChangeLimit("change of warfarin", drug, 0.25),
        Withheld("warfarin above INR 5", spec.feature("inr"), 5.0, drug, "mg/d", above=True),
    )
    columns = {c.name: place for place, c in enumerate(spec.context)}
    if not {"cyp2c9", "vkorc1"} <= set(columns):
        return always
    genotypes = columns["cyp2c9"], columns["vkorc1"]
    return (*always, SensitiveStart("start at a sensitive genotype", drug, 3.0, "mg/d", *genotypes))
