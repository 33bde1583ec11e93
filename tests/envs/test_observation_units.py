"""Thresholds in words: each agrees with the observation of the very state on either side of it."""

import pytest
import torch
from posology.envs import treatment
from posology.envs.observation import Layout, observation_names
from posology.envs.observation_units import answers

SEPSIS, WARFARIN = treatment("posology/Sepsis-v0"), treatment("posology/Warfarin-v0")


def layout(core) -> Layout:
    return Layout(core.spec, core.horizon_hours)


def column(core, name: str) -> int:
    return observation_names(core.spec).index(name)


def seen(core, name: str, **changes) -> float:
    """The column of a state that differs from an admission by what is given, in clinical units."""
    state = core.admit(torch.zeros(1, core.admit_noise_dim))
    for field, (place, value) in changes.items():
        whole = getattr(state, field).clone()
        if place is None:
            whole[:] = value
        else:
            whole[:, place] = value
        state = state.replace(**{field: whole})
    return float(core.observe(state)[0, column(core, name)])


def said(core, name: str, **changes) -> tuple[str, str]:
    return answers(layout(core), column(core, name), seen(core, name, **changes))


def test_values_ages_doses_and_times_come_back_in_clinical_units() -> None:
    spec = SEPSIS.spec
    pressure, lactate, vaso, fluid = (
        spec.feature("map"),
        spec.feature("lactate"),
        spec.drug("norepinephrine"),
        spec.drug("fluid"),
    )
    below, above = said(SEPSIS, "map", vitals=(pressure, 62.0))
    assert below.endswith("≤ 62 mmHg") and above.endswith("> 62 mmHg")
    assert said(SEPSIS, "lactate", vitals=(lactate, 3.4))[0].endswith("≤ 3.4 mmol/L")
    assert said(SEPSIS, "lactate age", age=(lactate, 8.0))[0].endswith("measured within 8 h")
    assert said(SEPSIS, "norepinephrine last", last_dose=(vaso, 0.07))[1].endswith("> 0.07 ug/kg/min")
    assert said(SEPSIS, "norepinephrine total", total_dose=(vaso, 1.2))[0].endswith("so far ≤ 1.2 ug/kg/min x h")
    assert said(SEPSIS, "fluid total", total_dose=(fluid, 4100.0))[0].endswith("so far ≤ 4100 mL")
    assert said(SEPSIS, "days", hours=(None, 20.0))[0] == "time since admission ≤ 20 h"
    assert said(SEPSIS, "time left", hours=(None, 20.0))[1] == "time left > 52 h"
    assert answers(layout(SEPSIS), column(SEPSIS, "lactate seen"), 0.5)[1].endswith("newly measured")


def test_categories_are_named_and_days_are_days() -> None:
    assert answers(layout(WARFARIN), column(WARFARIN, "vkorc1"), 0.5) == (
        "VKORC1 -1639 genotype: G/G",
        "VKORC1 -1639 genotype: A/G or A/A",
    )
    assert said(WARFARIN, "inr", vitals=(0, 3.1))[0] == "INR ≤ 3.1"
    assert said(WARFARIN, "warfarin total", total_dose=(0, 35.0 * 24))[0] == "warfarin so far ≤ 35 mg"
    assert said(WARFARIN, "days", hours=(None, 144.0))[0] == "time since admission ≤ 6 days"


def test_what_is_no_column_of_the_spec_has_no_words() -> None:
    with pytest.raises(ValueError, match="beliefs cannot be put in words"):
        answers(layout(SEPSIS), layout(SEPSIS).size, 0.0)
