"""Bleeding and clotting happen as often as published, by band of the INR."""

import pytest
import torch
from posology.patient_models.warfarin_dynamics import shares
from posology.patient_models.warfarin_events import BLEEDING, CLOTTING, YEAR, event

ROWS = 200_000


def test_rates_are_the_published_ones_per_patient_year() -> None:
    """Holbrook et al. (2012): 2.3 and 4.0 per 100 in range; Oake et al. (2008): 2.7 and 21.8 times, and 3.5 times."""
    assert pytest.approx((0.0253, 0.023, 0.0621, 0.5014)) == BLEEDING
    assert pytest.approx((0.14, 0.04, 0.036, 0.036)) == CLOTTING


@pytest.mark.parametrize("band", range(4))
def test_events_follow_the_rates(band: int) -> None:
    hours = torch.zeros(4, ROWS)
    hours[band] = YEAR / 2
    noise = torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(band))
    counts = torch.bincount(event(hours, noise), minlength=3) / ROWS
    bleeds, clots = (1 - torch.exp(torch.tensor(-rates[band] / 2)) for rates in (BLEEDING, CLOTTING))
    assert counts[1].item() == pytest.approx(bleeds.item(), abs=0.0015)
    assert counts[2].item() == pytest.approx(((1 - bleeds) * clots).item(), abs=0.0015)


def test_time_in_bands_is_that_of_a_straight_line() -> None:
    first, last = torch.tensor([1.0, 3.5, 2.5, 2.0]), torch.tensor([6.0, 1.5, 2.5, 3.0])
    expected = torch.tensor([[0.2, 0.2, 0.4, 0.2], [0.25, 0.5, 0.25, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    assert torch.allclose(shares(first, last), expected.t(), atol=1e-5)
