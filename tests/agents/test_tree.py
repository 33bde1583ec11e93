"""Distilled trees and near-equivalent sets."""

import pytest
import torch
from posology.agents.baselines import random_policy
from posology.agents.mlp import MLP
from posology.agents.network import NetworkPolicy
from posology.agents.save import load_policy, save_policy
from posology.agents.set_valued import coverage, near_equivalent
from posology.agents.tree import TreeConfig, distil, fidelity

pytest.importorskip("sklearn")


@pytest.fixture
def sharp(actions: int) -> NetworkPolicy:
    """Gives what is needed, nearly always."""
    return NetworkPolicy(MLP(((torch.eye(actions, actions + 1) * 8, torch.zeros(actions)),)))


def test_a_tree_of_enough_questions_is_the_policy(sharp, make_logged, actions) -> None:
    tree = distil(make_logged(800, 0), sharp, TreeConfig(depth=3, least=10))
    fresh = make_logged(500, 1)
    assert tree.depth == 3 and tree.leaves == actions
    assert fidelity(tree, sharp, fresh) == 1
    obs = fresh.obs[:, 0]
    torch.testing.assert_close(tree.probs(obs, None), sharp.probs(obs, None), atol=1e-5, rtol=1e-4)


def test_a_shallow_tree_says_how_little_it_keeps(sharp, make_logged, actions) -> None:
    tree = distil(make_logged(4000, 0), sharp, TreeConfig(depth=1))
    assert tree.leaves == 2
    assert fidelity(tree, sharp, make_logged(4000, 1)) == pytest.approx(0.5, abs=0.05)


def test_a_policy_that_asks_nothing_is_a_single_leaf(make_logged, actions) -> None:
    tree = distil(make_logged(100, 0), random_policy(actions))
    assert tree.leaves == 1 and tree.depth == 0
    torch.testing.assert_close(tree.probs(torch.zeros(2, actions + 1), None), torch.full((2, actions), 1 / actions))


def test_masked_actions_are_never_picked_and_saving_changes_nothing(sharp, make_logged, actions, tmp_path) -> None:
    tree = distil(make_logged(800, 0), sharp)
    obs = make_logged(200, 1).obs[:, 0]
    allowed = torch.ones(200, actions, dtype=torch.bool)
    allowed[:, 1] = False
    assert (tree.probs(obs, allowed)[:, 1] == 0).all()
    save_policy(tree, tmp_path / "tree")
    again = load_policy(tmp_path / "tree")
    assert torch.equal(again.probs(obs, allowed), tree.probs(obs, allowed))


def test_near_equivalent_sets() -> None:
    q = torch.tensor([[1.0, 0.95, 0.5, 0.0], [-10.0, -9.0, -8.0, -9.9]])
    assert near_equivalent(q, None, 0.0).tolist() == [[True, False, False, False], [False, False, True, False]]
    assert near_equivalent(q, None, 0.1).tolist() == [[True, True, False, False], [False, False, True, False]]
    assert near_equivalent(q, None, 0.5).tolist() == [[True, True, True, False], [False, True, True, False]]
    assert near_equivalent(q, None, 1.0).all()
    allowed = torch.tensor([[False, True, True, False], [True, True, False, True]])
    assert near_equivalent(q, allowed, 0.0).tolist() == [[False, True, False, False], [False, True, False, False]]
    shifted = near_equivalent(q + 100, allowed, 0.3)
    assert torch.equal(shifted, near_equivalent(q, allowed, 0.3))
    assert coverage(near_equivalent(q, None, 0.5), torch.tensor([3, 1])) == (2.5, 0.5)
    with pytest.raises(ValueError, match="share of value"):
        near_equivalent(q, None, 1.5)


def test_a_decided_tree_gives_each_leafs_likeliest_action_alone(sharp, make_logged, actions) -> None:
    logged = make_logged(800, 0, skill=0.6)
    tree = distil(logged, sharp, TreeConfig(depth=1))
    obs = logged.obs[:, 0]
    decided = tree.decided().probs(obs, None)
    assert set(decided.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(decided.argmax(1), tree.probs(obs, None).argmax(1))
    assert fidelity(tree.decided(), sharp, logged) == fidelity(tree, sharp, logged)
