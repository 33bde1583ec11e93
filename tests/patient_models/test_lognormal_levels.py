"""Level doses of a lognormal intention: exact probabilities."""

import pytest
import torch
from posology.contracts import Drug
from posology.patient_models.lognormal_levels import LognormalLevels, draw_level

DRUG = Drug("d", "mg", 10.0, (0.0, 1.0, 2.0, 4.0), (0.5, 1.5, 3.0))


def test_without_slips_they_are_those_of_the_rounded_lognormal() -> None:
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    levels = (1.4 * torch.exp(0.5 * z)[:, None] > torch.tensor(DRUG.cuts)).sum(1)
    share = torch.bincount(levels, minlength=4) / len(z)
    probs = LognormalLevels(0.5, slip=0.0, floor=1e-9).probs(DRUG, torch.tensor([1.4]))[0]
    assert torch.allclose(share, probs, atol=0.003)


@pytest.mark.parametrize("middle", [0.0, 1e-3, 1.0, 2.2, 1e4])
def test_they_sum_to_one_above_the_floor(middle: float) -> None:
    probs = LognormalLevels(0.3).probs(DRUG, torch.tensor([middle]))
    assert torch.allclose(probs.sum(1), torch.ones(1))
    assert probs.min() >= 0.002 - 1e-7


def test_a_slip_goes_to_either_neighbour() -> None:
    certain = torch.eye(4)
    blurred = LognormalLevels(0.3, slip=0.2, floor=1e-9).blurred(certain)
    expected = [[0.8, 0.2, 0.0, 0.0], [0.1, 0.8, 0.1, 0.0], [0.0, 0.1, 0.8, 0.1], [0.0, 0.0, 0.2, 0.8]]
    assert torch.allclose(blurred, torch.tensor(expected), atol=1e-6)


def test_draws_follow_their_probabilities() -> None:
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).expand(200_000, 4)
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    share = torch.bincount(draw_level(probs, noise), minlength=4) / 200_000
    assert torch.allclose(share, probs[0], atol=0.004)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="spread"):
        LognormalLevels(0.0)
    with pytest.raises(ValueError, match="floor"):
        LognormalLevels(0.3, floor=0.0)
