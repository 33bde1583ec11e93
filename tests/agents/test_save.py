"""Saved policies: blends, refusals, and no pickle."""

import json
from pathlib import Path

import pytest
import torch
from posology.agents.baselines import fixed_policy, random_policy
from posology.agents.mlp import MLP
from posology.agents.network import NetworkPolicy
from posology.agents.save import load_blend, load_policy, save_policy
from posology.contracts import Blend


def network(seed: int = 0) -> NetworkPolicy:
    g = torch.Generator().manual_seed(seed)
    sizes = (5, 7, 3)
    pairs = zip(sizes, sizes[1:], strict=False)
    return NetworkPolicy(MLP(tuple((torch.randn(o, i, generator=g), torch.randn(o, generator=g)) for i, o in pairs)))


def test_a_blend_keeps_both_parts_and_the_share(tmp_path: Path):
    blend = Blend(network(), random_policy(3), 0.3)
    save_policy(blend, tmp_path / "blend")
    again, obs = load_blend(tmp_path / "blend"), torch.randn(4, 5)
    assert again.share == 0.3
    assert torch.equal(again.policy.probs(obs, None), blend.policy.probs(obs, None))
    assert torch.equal(again.base.probs(obs, None), blend.base.probs(obs, None))
    with pytest.raises(ValueError, match="use load_blend"):
        load_policy(tmp_path / "blend")


def test_a_policy_is_no_blend(tmp_path: Path):
    save_policy(network(), tmp_path / "p")
    with pytest.raises(ValueError, match="use load_policy"):
        load_blend(tmp_path / "p")


def test_nothing_is_overwritten(tmp_path: Path):
    save_policy(network(), tmp_path / "p")
    with pytest.raises(FileExistsError, match="already holds a policy"):
        save_policy(network(1), tmp_path / "p")


def test_what_has_no_saved_form_is_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="expected a policy of kind"):
        save_policy(object(), tmp_path / "p")
    with pytest.raises(TypeError, match="expected a policy of kind"):
        save_policy(Blend(network(), object(), 0.5), tmp_path / "q")
    for name in ("p", "q"):
        with pytest.raises(ValueError, match="holds no policy"):
            load_policy(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "oracle"}, "expected a policy of kind"),
        ({"format": 99}, "expected format 1, got 99"),
        ({"settings": {}}, "do not fit"),
        ({"settings": {"activation": "swish"}}, "expected one of"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change, message):
    save_policy(network(), tmp_path / "p")
    path = tmp_path / "p" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_policy(tmp_path / "p")


def test_a_fixed_policy_keeps_to_its_action_where_it_may():
    policy, obs = fixed_policy(2, 4), torch.zeros(2, 1)
    allowed = torch.tensor([[True, True, True, True], [True, True, False, False]])
    expected = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    assert torch.equal(policy.probs(obs, allowed), expected)


def test_a_mask_that_allows_nothing_is_refused():
    with pytest.raises(ValueError, match="row 1 allows no action"):
        network().probs(torch.zeros(2, 5), torch.tensor([[True] * 3, [False] * 3]))
