"""Questions about observation columns, in clinical units."""

import dataclasses

import pytest
import torch
from posology.contracts import Drug, Feature, PatientState, Spec
from posology.envs.observation import Layout, observation_names
from posology.envs.observation_rules import question, rules

SPEC = Spec(
    features=(
        Feature("map", "mmHg", 20.0, 200.0, (60.0, 90.0)),
        Feature("lactate", "mmol/L", 0.1, 30.0, (1.0, 4.0), "log", 24.0),
    ),
    drugs=(Drug("norepinephrine", "ug/kg/min", 2.0, (0.0, 0.1, 0.4), (0.05, 0.2)),),
    context=(Feature("male", "", 0.0, 1.0, (0.0, 1.0), "category", levels=("no", "yes")),),
)
LAYOUT = Layout(SPEC, 72.0)
STATE = PatientState(
    vitals=torch.tensor([[65.0, 3.0]]),
    seen=torch.tensor([[True, False]]),
    age=torch.tensor([[0.0, 6.0]]),
    memory=torch.zeros(1, 0),
    belief=torch.zeros(1, 0),
    context=torch.tensor([[0.0]]),
    hours=torch.tensor([18.0]),
    last_dose=torch.tensor([[0.2]]),
    total_dose=torch.tensor([[4.8]]),
    outcome=torch.zeros(1, dtype=torch.int64),
)
SAID = {
    "map": "map <= 65 mmHg",
    "lactate": "lactate <= 3 mmol/L",
    "lactate age": "lactate measured 6 h ago or less",
    "lactate seen": "lactate not measured since the last decision",
    "male": "male is no",
    "norepinephrine last": "last norepinephrine <= 0.2 ug/kg/min",
    "norepinephrine total": "total norepinephrine <= 0.5 days at 0.4 ug/kg/min",
    "days": "18 h or less since admission",
    "time left": "54 h or less left",
}


@pytest.mark.parametrize("name", SAID)
def test_a_threshold_at_the_observed_value_is_said_in_the_units_of_the_state(name: str) -> None:
    column = observation_names(SPEC).index(name)
    assert question(LAYOUT, column, float(LAYOUT.observe(STATE)[0, column])) == SAID[name]


def test_a_tree_is_printed_as_nested_rules() -> None:
    seen = LAYOUT.observe(dataclasses.replace(STATE))[0]
    said = rules(
        LAYOUT,
        column=torch.tensor([0, -1, -1]),
        threshold=torch.tensor([float(seen[0]), 0.0, 0.0]),
        left=torch.tensor([1, 0, 0]),
        right=torch.tensor([2, 0, 0]),
        leaf=["", "norepinephrine 0.1", "nothing"],
    )
    assert said == "if map <= 65 mmHg:\n  norepinephrine 0.1\nelse:\n  nothing"
