"""Weights laid end to end learn as the parameters of the network one by one would."""

import pytest
import torch
from posology.agents.flat_weights import FlatWeights
from torch import nn


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
def test_a_step_is_that_of_every_parameter_under_one_clipped_norm(max_norm: float) -> None:
    ours, theirs = network(), network()
    weights = FlatWeights.of(ours)
    optimizers = [torch.optim.Adam(p, lr=0.01, eps=1e-5) for p in ([weights.flat], theirs.parameters())]
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        weights.descend(ours(x).square().mean(), optimizers[0], max_norm)
        optimizers[1].zero_grad()
        theirs(x).square().mean().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        optimizers[1].step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert not torch.equal(ours[0].weight, network()[0].weight)


def test_weights_loaded_into_the_network_are_those_of_the_vector() -> None:
    ours = network()
    weights = FlatWeights.of(ours)
    ours.load_state_dict({name: value + 1 for name, value in network().state_dict().items()})
    assert torch.equal(weights.flat, torch.cat([p.flatten() for p in ours.parameters()]))
