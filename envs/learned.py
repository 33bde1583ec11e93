"""posology/Learned-v0: doses in a patient model learned from records, in the records' own terms."""

from __future__ import annotations

from pathlib import Path

from ..contracts import BeliefModel, PatientModel, Treatment
from ..patient_models.icu_sepsis import icu_sepsis
from ..patient_models.icu_sepsis_spec import SPEC as ICU_SEPSIS
from ..patient_models.learned_model import load_model
from . import reward as reward_of
from .actions import Action
from .available import only_available
from .belief import with_belief
from .by_member import Following, by_member
from .dose_treatment import DoseTreatment
from .halted import halted
from .limits import known_limits
from .pessimistic import pessimistic
from .visits import visit_rule


def learned(
    *,
    model: str | Path | PatientModel,
    penalty: float = 0.0,
    spared: float = 0.0,
    limit: float | None = None,
    worst: float = 0.0,
    following: Following | int = "stay",
    horizon: int = 18,
    interval_hours: float | None = None,
    reward: str = "survival",
    alive: float = 1.0,
    died: float = 0.0,
    enforce: bool = False,
    bootstrap_at_horizon: bool = False,
    action: Action = "levels",
    belief: bool = False,
    visits: str | None = None,
) -> Treatment:
    """A patient model, or the folder it was saved in, under its own spec and dose levels, or continuous doses.

    With a positive `penalty`, each decision costs that much times the ensemble's disagreement beyond what is
    `spared`; with a `limit`, one of more disagreement ends the stay with reward `worst`; `following` says which
    member of an ensemble a row follows. With `belief`, states carry what the model infers from what is observed,
    and the policy sees it. The interval is the model's own step, or 4 h; with a rule of `visits` by name, it is the
    shortest one. The `reward` is one of the table, `alive` and `died` are options of survival. Constraints are
    those known for the spec's drugs; on records of ICU-Sepsis, inadmissible actions are masked as they are in its
    truth.
    """
    patient = load_model(model) if isinstance(model, str | Path) else model
    hours = interval_hours if interval_hours is not None else patient.fixed_hours or 4.0
    options = {"alive": alive, "died": died} if reward == "survival" else {}
    core: Treatment = DoseTreatment(
        patient,
        constraints=known_limits(patient.spec, hours),
        reward_rule=reward_of(reward, patient.spec, horizon * hours, **options),
        horizon=horizon,
        interval_hours=hours,
        enforce=enforce,
        bootstrap_at_horizon=bootstrap_at_horizon,
        action=action,
        visits=visit_rule(visits),
    )
    if patient.spec == ICU_SEPSIS:
        core = only_available(core, icu_sepsis())
    core = core if following == "stay" else by_member(core, following)
    core = pessimistic(core, penalty, spared=spared) if penalty else core
    core = core if limit is None else halted(core, limit, worst=worst)
    return with_belief(core, _believer(patient)) if belief else core


def _believer(patient: PatientModel) -> BeliefModel:
    if not isinstance(patient, BeliefModel):
        raise TypeError(f"belief=True needs a model that infers one, such as an LSTM; got {type(patient).__name__}")
    return patient
