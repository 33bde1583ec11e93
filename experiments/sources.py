"""Mechanistic patients as sources of data: what each needs to be simulated, read, judged and described."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..contracts import Clinician, Treatment
from ..envs import treatment


@dataclass(frozen=True)
class Rule:
    """A published or documented rule on what is visible, judged beside the policies of a run where truth is known."""

    name: str  # in reports and on the command line
    label: str
    text: str  # one sentence for a reader
    address: str  # "module:class" in patient_models
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def acting(self) -> Clinician:
        """The rule, ready to dose."""
        made = member(self.address)(**self.options)
        assert isinstance(made, Clinician)
        return made


@dataclass(frozen=True)
class KnownTruth:
    """A mechanistic patient as a data source: its environment, clinician, task, and what is hidden in its memory."""

    environment: str
    clinician: str  # "module:class" in patient_models
    task: str
    memory: str  # "module:names" in patient_models: column number by name
    model: str  # what reports call it
    reward: str = "survival"  # of the table in envs
    rules: tuple[Rule, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # of environment, for the task
    care: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # ... and of the clinician


_OBSERVABLE_RULE = Rule(
    "observable_rule",
    "Observable rule",
    "A protocol on what is visible (pressure target by hypertension, rhythm, film); it keeps a memory.",
    "sepsis_protocols:ObservableRule",
)

SOURCES = {
    "sepsis": KnownTruth(
        environment="posology/Sepsis-v0",
        clinician="sepsis_clinician:SepsisClinician",
        task="sepsis_simulated",
        memory="sepsis_memory:COLUMN",
        model="composite sepsis model",
        rules=(_OBSERVABLE_RULE,),
    ),
    "sepsis_hourly": KnownTruth(
        environment="posology/Sepsis-v0",
        clinician="sepsis_clinician:SepsisClinician",
        task="sepsis_simulated_hourly",
        memory="sepsis_memory:COLUMN",
        model="composite sepsis model, hour by hour",
        rules=(_OBSERVABLE_RULE,),
        options=MappingProxyType({"interval_hours": 1.0, "horizon": 72}),
    ),
    "sepsis_imaging": KnownTruth(
        environment="posology/SepsisImaging-v0",
        clinician="sepsis_clinician:SepsisClinician",
        task="sepsis_imaging_simulated",
        memory="sepsis_film_orders:COLUMN",
        model="composite sepsis model, seen on chest films",
        rules=(_OBSERVABLE_RULE,),
    ),
    "tumor": KnownTruth(
        environment="posology/Tumor-v0",
        clinician="tumor_clinician:TumorClinician",
        task="tumor_simulated",
        memory="tumor_memory:TRUTH",
        model="tumour of Geng et al. with marrow and lung injury",
        reward="chemoradiation",
        rules=(
            Rule(
                "tumor_rule",
                "Rule by count and scan",
                "A course of 60 Gy, and weekly chemotherapy by the blood count and the size on the last scan.",
                "tumor_rule:TumorRule",
            ),
        ),
    ),
    "tumor_imaging": KnownTruth(
        environment="posology/Tumor-v0",
        clinician="tumor_clinician:TumorClinician",
        task="tumor_imaging_simulated",
        memory="tumor_memory:TRUTH",
        model="tumour of Geng et al. with marrow and lung injury, seen on CT",
        reward="chemoradiation",
        options=MappingProxyType({"imaging": True}),
        rules=(
            Rule(
                "tumor_rule",
                "Rule by count and scan",
                "A course of 60 Gy, and weekly chemotherapy by the blood count and the size on the last scan.",
                "tumor_rule:TumorRule",
            ),
        ),
    ),
    "warfarin": KnownTruth(
        environment="posology/Warfarin-v0",
        clinician="warfarin_clinician:WarfarinClinician",
        task="warfarin_simulated",
        memory="warfarin_memory:COLUMN",
        model="warfarin kinetics and effect of Hamberg (2010)",
        reward="inr_in_range",
        rules=(
            Rule(
                "pharmacogenetic",
                "Pharmacogenetic start, titrated",
                "The first dose by the IWPC equation with genotypes, then titrated by thresholds of the INR.",
                "warfarin_rules:Titration",
                MappingProxyType({"start": "pharmacogenetic"}),
            ),
            Rule(
                "clinical",
                "Clinical start, titrated",
                "The first dose by the IWPC equation without genotypes, then titrated by thresholds of the INR.",
                "warfarin_rules:Titration",
                MappingProxyType({"start": "clinical"}),
            ),
        ),
    ),
    "icu_sepsis": KnownTruth(
        environment="posology/ICUSepsis-v0",
        clinician="icu_sepsis_clinician:ICUSepsisClinician",
        task="icu_sepsis",
        memory="tabular:COLUMN",
        model="ICU-Sepsis MDP",
        rules=(
            Rule(
                "expert_mode",
                "Most frequent expert action",
                "In every state the admissible action that the published expert takes most often.",
                "icu_sepsis_clinician:ModalClinician",
            ),
            Rule(
                "optimal",
                "Optimal policy",
                "What dynamic programming finds with the true transitions: the best that any policy can do.",
                "icu_sepsis_clinician:OptimalClinician",
            ),
        ),
    ),
    "propofol": KnownTruth(
        environment="posology/Propofol-v0",
        clinician="propofol_clinician:PropofolClinician",
        task="propofol_simulated",
        memory="propofol_memory:COLUMN",
        model="propofol pharmacokinetics and effect of Eleveld (2018)",
        reward="hypnosis_in_range",
        rules=(
            Rule(
                "pid",
                "PID controller",
                "An induction rate, then proportional and integral control of the bispectral index.",
                "propofol_clinician:PropofolPID",
                MappingProxyType({"levels": True}),
            ),
            Rule(
                "fixed_infusion",
                "Same infusion for all",
                "2 mg/kg in the first minute, then 6 mg/kg/h.",
                "propofol_clinician:FixedInfusion",
            ),
        ),
        options=MappingProxyType({"interval_hours": 1 / 60, "horizon": 30}),
    ),
    "glucose": KnownTruth(
        environment="posology/Glucose-v0",
        clinician="glucose_clinician:GlucoseClinician",
        task="glucose_simulated",
        memory="glucose_memory:COLUMN",
        model="UVA/Padova S2008 equations of type 1 diabetes",
        reward="glucose_risk",
        rules=(
            Rule(
                "basal_bolus",
                "Basal-bolus by the book",
                "The usual basal rate, and with a meal carbohydrates over the ratio plus a correction above 150 mg/dL.",
                "glucose_clinician:BasalBolus",
                MappingProxyType({"interval_hours": 0.5}),
            ),
            Rule(
                "basal_only",
                "Basal insulin only",
                "The usual basal rate and no bolus.",
                "glucose_clinician:BasalBolus",
                MappingProxyType({"interval_hours": 0.5, "bolus": False}),
            ),
        ),
        options=MappingProxyType({"interval_hours": 0.5, "horizon": 48}),
        care=MappingProxyType({"interval_hours": 0.5}),
    ),
    "hiv": KnownTruth(
        environment="posology/HIV-v0",
        clinician="hiv_clinician:HIVClinician",
        task="hiv_simulated",
        memory="hiv_memory:COLUMN",
        model="HIV dynamics of Adams (2004)",
        reward="hiv_control",
        options=MappingProxyType({"interval_hours": 720.0, "horizon": 24, "reward": "hiv_control"}),
    ),
}


def source(name: str) -> KnownTruth:
    """The data source `name`; ValueError names the known ones."""
    if name not in SOURCES:
        raise ValueError(f"no simulated patients named {name!r}; expected one of {', '.join(SOURCES)}")
    return SOURCES[name]


def clinician(name: str, confounding: float, hidden_confounding: float) -> Clinician:
    """The documented clinician of a data source, with its two knobs set."""
    known = source(name)
    knobs = {"confounding": confounding, "hidden_confounding": hidden_confounding}
    made = member(known.clinician)(**knobs, **known.care)
    assert isinstance(made, Clinician)
    return made


def true_treatment(name: str, **options: object) -> Treatment:
    """The environment in which the truth of a data source is known."""
    return treatment(source(name).environment, **{**source(name).options, **options})


def member(address: str) -> Any:
    """What "module:name" means in `patient_models`."""
    module, attribute = address.split(":")
    return getattr(importlib.import_module(f"..patient_models.{module}", __package__), attribute)
