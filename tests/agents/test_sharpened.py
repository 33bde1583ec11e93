"""A sharpened policy prefers what it preferred, more so."""

import pytest
import torch
from posology.agents.mlp import MLP
from posology.agents.network import NetworkPolicy
from posology.agents.save import load_policy, save_policy
from posology.agents.sharpened import sharpened


def _policy() -> NetworkPolicy:
    generator = torch.Generator().manual_seed(0)
    shapes = ((8, 3), (5, 8))
    return NetworkPolicy(
        MLP(tuple((torch.randn(s, generator=generator), torch.randn(s[0], generator=generator)) for s in shapes))
    )


@pytest.mark.parametrize("power", [0.5, 1.0, 4.0])
def test_probabilities_are_raised_to_a_power_and_renormalised(power: float) -> None:
    obs = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    allowed = torch.ones(20, 5, dtype=torch.bool)
    allowed[:, 2] = False
    plain, surer = _policy(), sharpened(_policy(), power)
    raised = plain.probs(obs, allowed).double() ** power * allowed
    torch.testing.assert_close(
        surer.probs(obs, allowed).double(), raised / raised.sum(1, keepdim=True), atol=1e-5, rtol=1e-4
    )
    assert torch.equal(surer.probs(obs, None).argmax(1), plain.probs(obs, None).argmax(1))


def test_it_is_saved_as_any_network_policy(tmp_path) -> None:
    surer, obs = sharpened(_policy(), 4.0), torch.ones(2, 3)
    save_policy(surer, tmp_path / "policy")
    assert torch.equal(load_policy(tmp_path / "policy").probs(obs, None), surer.probs(obs, None))


@pytest.mark.parametrize("power", [0.0, -1.0, float("nan")])
def test_a_power_must_be_positive(power: float) -> None:
    with pytest.raises(ValueError, match="positive power"):
        sharpened(_policy(), power)
