"""Calibration finds the temperature and the share of base rate that data were drawn with."""

import torch
from posology.agents.behavior.calibration import calibrate


def drawn(logits: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return torch.multinomial(torch.softmax(logits, 1), 1, generator=torch.Generator().manual_seed(seed))[:, 0]


def test_finds_the_temperature_of_an_overconfident_network():
    logits = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1))
    temperature, share = calibrate([2.0 * logits], torch.full((4,), 0.25), drawn(logits))
    assert abs(temperature - 2.0) < 0.15
    assert share <= 0.05


def test_finds_the_temperature_of_a_timid_network():
    logits = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1))
    temperature, _ = calibrate([logits / 1.5], torch.full((4,), 0.25), drawn(logits))
    assert abs(temperature - 1 / 1.5) < 0.06


def test_falls_back_to_the_base_rate_where_the_network_knows_nothing():
    base = torch.tensor([0.6, 0.2, 0.1, 0.1])
    logits = 4 * torch.randn(5000, 4, generator=torch.Generator().manual_seed(1))
    _, share = calibrate([logits], base, drawn(base.log().expand(5000, -1)))
    assert share >= 0.7
