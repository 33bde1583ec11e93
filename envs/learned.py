"""posology/Learned-v0: doses in a patient model learned from records, in the records' own terms."""

from __future__ import annotations

from pathlib import Path

from ..contracts import Constraint, PatientModel, Spec, Treatment
from ..patient_models.learned_model import load_model
from .actions import Action
from .constraints import sepsis_limits
from .dose_treatment import DoseTreatment
from .pessimistic import pessimistic
from .rewards import SurvivalReward


def learned(
    *,
    model: str | Path | PatientModel,
    penalty: float = 0.0,
    horizon: int = 18,
    interval_hours: float | None = None,
    alive: float = 1.0,
    died: float = 0.0,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
) -> Treatment:
    """A patient model, or the folder it was saved in, under its own spec and dose levels, or continuous doses.

    With a positive `penalty`, each decision costs that much times the ensemble's disagreement. The interval is the
    model's own step, or 4 h. Constraints are the dose limits on fluid and norepinephrine, where the spec has both.
    """
    patient = load_model(model) if isinstance(model, str | Path) else model
    hours = interval_hours if interval_hours is not None else patient.fixed_hours or 4.0
    core = DoseTreatment(
        patient,
        constraints=_limits(patient.spec, hours),
        reward_rule=SurvivalReward(alive, died),
        horizon=horizon,
        interval_hours=hours,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
    )
    return pessimistic(core, penalty) if penalty else core


def _limits(spec: Spec, interval_hours: float) -> tuple[Constraint, ...]:
    units = {(drug.name, drug.unit) for drug in spec.drugs}
    known = {("fluid", "mL/h"), ("norepinephrine", "ug/kg/min")} <= units
    return sepsis_limits(spec, interval_hours) if known else ()
