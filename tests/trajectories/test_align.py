"""Stays in the words of another record set: by name, in its order, and never under another meaning."""

from dataclasses import replace

import pytest
import torch
from posology.contracts import Drug, Feature, Spec, Trajectories
from posology.trajectories.align import align
from posology.trajectories.carry import pad

MAP = Feature("map", "mmHg", 0, 300, (60, 90))
LACTATE = Feature("lactate", "mmol/L", 0.1, 40, (1, 5), "log")
FLUID, PRESSOR = Drug("fluid", "mL/h", 500.0), Drug("pressor", "ug/kg/min", 1.0)
AGE, MALE = Feature("age", "years", 18, 120, (40, 80)), Feature("male", "", 0, 1, (0, 1), "category")
AWAY = Spec((LACTATE, MAP), (PRESSOR, FLUID), (MALE, AGE))


@pytest.fixture
def stays():
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    seen = torch.rand(2, 4, 2, generator=generator) < 0.5
    return pad(
        Trajectories(
            spec=AWAY,
            vitals=torch.rand(2, 4, 2, generator=generator) * 39 + 0.5,
            seen=seen,
            age=torch.where(seen, 0.0, 5.0),
            context=torch.tensor([[1.0, 70.0], [0.0, 30.0]]),
            dose=torch.rand(2, 3, 2, generator=generator),
            hours=torch.full((2, 3), 4.0),
            mask=mask,
            outcome=torch.tensor([0, 2]),
            subject=torch.tensor([1, 2]),
            site=torch.zeros(2, dtype=torch.int64),
        )
    )


def test_in_its_own_words_nothing_changes(stays):
    found = align(stays, AWAY)
    for name, value in vars(stays).items():
        assert torch.equal(value, getattr(found.stays, name)) if isinstance(value, torch.Tensor) else value == AWAY
    assert found.features == ("lactate", "map") and not found.missing and not found.notes


def test_columns_go_by_name_and_what_is_absent_was_never_measured(stays):
    ph = Feature("ph", "", 6, 8, (7.3, 7.5))
    home = Spec(
        (MAP, ph, LACTATE), (FLUID, Drug("other", "mg", 1.0)), (AGE, Feature("weight", "kg", 30, 200, (60, 90)))
    )
    found = align(stays, home)
    assert found.features == ("map", "lactate") and found.missing == ("ph",)
    moved = found.stays
    assert torch.equal(moved.vitals[..., [0, 2]], stays.vitals[..., [1, 0]])
    assert torch.equal(moved.seen[..., 0], stays.seen[..., 1]) and not moved.seen[..., 1].any()
    assert torch.equal(moved.vitals[..., 1], torch.full((2, 4), ph.midpoint)) and (moved.age[..., 1] == 48).all()
    assert torch.equal(moved.dose[..., 0], stays.dose[..., 1]) and (moved.dose[..., 1] == 0).all()
    assert moved.context.tolist() == [[70.0, 75.0], [30.0, 75.0]]
    assert len(found.notes) == 2 and "other" in found.notes[0] and "weight" in found.notes[1]


def test_doses_and_values_are_cut_to_what_home_knows_and_that_is_told(stays):
    narrow = replace(AWAY, features=(replace(LACTATE, high=20.0), MAP), drugs=(replace(PRESSOR, high=0.5), FLUID))
    found = align(stays, narrow)
    assert float(found.stays.vitals[..., 0].max()) == 20.0
    share = float((stays.dose[..., 0] > 0.5).sum()) / 8
    assert share > 0 and float(found.stays.dose[..., 0].max()) == 0.5 and found.notes[0].startswith(f"{share:.1%}")


@pytest.mark.parametrize(
    "home",
    [
        replace(AWAY, features=(replace(LACTATE, unit="mg/dL"), MAP)),
        replace(AWAY, drugs=(replace(PRESSOR, unit="mg/h"), FLUID)),
        replace(AWAY, context=(replace(MALE, levels=("no", "yes")), AGE)),
    ],
)
def test_another_unit_or_coding_is_refused(stays, home):
    with pytest.raises(ValueError, match="expected"):
        align(stays, home)


def test_nothing_in_common_is_refused(stays):
    with pytest.raises(ValueError, match="in common"):
        align(stays, replace(AWAY, features=(Feature("ph", "", 6, 8, (7.3, 7.5)),)))
