import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from posology.contracts import Drug, Feature, Spec
from posology.trajectories.carry import carry
from posology.trajectories.levels import action_of_dose, dose_of_action, levels_of_action
from posology.trajectories.scaling import Scaler, scale_age, scale_dose

SPEC = Spec(
    features=(
        Feature("map", "mmHg", 10, 250, (65, 105), max_age=8),
        Feature("lactate", "mmol/L", 0.1, 30, (0.5, 2), scale="log", max_age=24),
    ),
    drugs=(
        Drug("fluid", "mL/h", 8000, (0, 37.5, 150), (12.5, 75)),
        Drug("norepinephrine", "ug/kg/min", 2, (0, 0.03, 0.07, 0.3), (0, 0.05, 0.2)),
    ),
)


def test_every_action_survives_the_way_to_a_dose_and_back():
    actions = torch.arange(SPEC.actions)
    assert torch.equal(action_of_dose(SPEC, dose_of_action(SPEC, actions)), actions)
    assert levels_of_action(SPEC, torch.tensor(5)).tolist() == [1, 1]


def test_the_smallest_dose_above_a_cut_is_the_next_level():
    doses = torch.tensor([[12.5, 0.0], [12.6, 1e-6], [75.0, 0.05], [8000.0, 2.0]])
    assert levels_of_action(SPEC, action_of_dose(SPEC, doses)).tolist() == [[0, 0], [1, 1], [1, 1], [2, 3]]


@given(st.lists(st.tuples(st.floats(10, 250), st.floats(0.1, 30)), min_size=1, max_size=5))
def test_scaling_is_inverted(values):
    x = torch.tensor(values, dtype=torch.float32)
    scaler = Scaler.of(SPEC.features)
    assert torch.allclose(scaler.unscale(scaler.scale(x)), x, rtol=1e-4)


def test_the_reference_range_maps_to_plus_minus_one():
    ends = torch.tensor([[65.0, 0.5], [105.0, 2.0]])
    scaled = Scaler.of(SPEC.features).scale(ends)
    assert torch.allclose(scaled, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-5)


def test_a_log_scale_needs_a_positive_range():
    with pytest.raises(ValueError, match="lactate"):
        Scaler.of([Feature("lactate", "mmol/L", 0, 30, (0, 2), scale="log")])


def test_ages_and_doses_scale_to_the_unit_interval():
    assert torch.allclose(scale_age(SPEC, torch.tensor([[0.0, 24.0]])), torch.tensor([[0.0, 1.0]]))
    assert torch.allclose(scale_dose(SPEC.drugs, torch.tensor([[150.0, 0.0]])), torch.tensor([[1.0, 0.0]]))


def test_a_value_is_carried_until_it_is_too_old():
    vitals, age = torch.tensor([[70.0, 3.0]]), torch.zeros(1, 2)
    hours, nothing = torch.tensor([4.0]), torch.zeros(1, 2, dtype=torch.bool)
    vitals, age = carry(SPEC, vitals, age, hours, vitals, nothing)
    assert vitals.tolist() == [[70.0, 3.0]] and age.tolist() == [[4.0, 4.0]]
    vitals, age = carry(SPEC, vitals, age, hours, vitals, nothing)
    assert vitals.tolist() == [[85.0, 3.0]] and age.tolist() == [[8.0, 8.0]]
    vitals, age = carry(SPEC, vitals, age, hours, torch.tensor([[60.0, 9.0]]), torch.tensor([[True, False]]))
    assert vitals.tolist() == [[60.0, 3.0]] and age.tolist() == [[0.0, 12.0]]
