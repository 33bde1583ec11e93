"""Hidden scans leave what was known before them, and nothing else changes."""

import pytest
import torch
from posology.contracts import Trajectories
from posology.patient_models.image_dropout import image_dropout, without_scans
from posology.patient_models.lstm_member import LSTMConfig
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_imaging_spec import IMAGING_SPEC
from posology.patient_models.tumor_spec import SPEC, WEEK
from posology.trajectories.carry import pad


@pytest.fixture(scope="module")
def stays() -> Trajectories:
    """Thirty stays of four weeks, of which the first feature is never an image's."""
    rows, weeks = 30, 4
    generator = torch.Generator().manual_seed(0)
    seen = torch.ones(rows, weeks + 1, 4, dtype=torch.bool)
    return pad(
        Trajectories(
            spec=SPEC,
            vitals=1 + torch.rand(rows, weeks + 1, 4, generator=generator).round(decimals=2),
            seen=seen,
            age=torch.zeros(rows, weeks + 1, 4),
            context=torch.zeros(rows, 3),
            dose=torch.zeros(rows, weeks, 2),
            hours=torch.full((rows, weeks), WEEK),
            mask=torch.ones(rows, weeks, dtype=torch.bool),
            outcome=torch.zeros(rows, dtype=torch.int64),
            subject=torch.arange(rows),
            site=torch.zeros(rows, dtype=torch.int64),
        )
    )


def test_older_values_are_carried_on(stays) -> None:
    hidden = without_scans(stays, [1, 2], 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(hidden.vitals[:, :, [0, 3]], stays.vitals[:, :, [0, 3]])
    assert torch.equal(hidden.seen[:, :, 1], hidden.seen[:, :, 2])
    kept = hidden.seen[:, :, 1]
    assert 0.35 < kept.float().mean() < 0.65
    assert torch.equal(hidden.vitals[:, :, 1][kept], stays.vitals[:, :, 1][kept])
    later = ~kept[:, 1:]
    assert torch.equal(hidden.vitals[:, 1:, 1][later], hidden.vitals[:, :-1, 1][later])
    assert torch.equal(
        hidden.age[:, 1:, 1][later], (hidden.age[:, :-1, 1] + WEEK).clamp_max(SPEC.features[1].max_age)[later]
    )
    never = ~kept[:, 0]
    assert (hidden.age[never, 0, 1] == SPEC.features[1].max_age).all()
    assert (hidden.vitals[never, 0, 1] == SPEC.features[1].midpoint).all()


def test_all_or_nothing(stays) -> None:
    everything = without_scans(stays, [1, 2], 0.0, torch.Generator().manual_seed(1))
    for name in ("vitals", "seen", "age"):
        assert torch.equal(getattr(everything, name), getattr(stays, name))
    assert not without_scans(stays, [1, 2], 1.0, torch.Generator().manual_seed(1)).seen[:, :, 1].any()


def test_only_images_are_hidden_and_only_where_asked() -> None:
    assert image_dropout(Tumor().spec, 0.5) is None  # a radiologist's sizes are records
    assert image_dropout(IMAGING_SPEC, 0.0) is None
    assert image_dropout(IMAGING_SPEC, 0.5) is not None
    with pytest.raises(ValueError, match="image_dropout"):
        LSTMConfig(image_dropout=-0.1)
