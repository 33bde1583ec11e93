"""Checkpoints: any state comes back bit by bit, and a learner that goes on ends where an unbroken one does."""

import math

import pytest
import torch
from posology.trajectories.checkpoint import NOWHERE, Checkpoint


def test_any_state_comes_back_as_it_was(tmp_path):
    state = {
        "epoch": 3,
        "best": 0.1 + 0.2,
        "worst": math.inf,
        "none": None,
        "flags": [True, (1, "a")],
        "weights": torch.randn(3, 4).t(),  # not contiguous
        "whole": torch.tensor([1, 2**40]),
        "optimiser": {"state": {0: {"step": torch.tensor(2.0)}, 1: {}}, "groups": [{"lr": 1e-3, "params": [0, 1]}]},
        "$odd": "name",
    }
    place = Checkpoint(tmp_path / "a" / "b.safetensors")
    assert place.load() is None
    place.save(**state)
    found = place.load()
    tensor = found.pop("weights"), found.pop("whole"), found["optimiser"]["state"][0].pop("step")
    assert torch.equal(tensor[0], state.pop("weights")) and torch.equal(tensor[1], state.pop("whole"))
    assert float(tensor[2]) == 2.0 and state["optimiser"]["state"][0].pop("step") is not None
    assert found == state and isinstance(found["flags"][1], tuple)
    assert [p.name for p in place.path.parent.iterdir()] == ["b.safetensors"]


def test_tensors_that_share_memory_are_kept_apart(tmp_path):
    place, whole = Checkpoint(tmp_path / "x.safetensors"), torch.arange(6.0)
    place.save(a=whole, b=whole[2:4])
    assert place.load()["b"].tolist() == [2.0, 3.0]


def test_writes_are_spaced_out_but_the_last_one_counts(tmp_path):
    place = Checkpoint(tmp_path / "x.safetensors", every=1000.0)
    for epoch in range(3):
        place.save(epoch=epoch)
    assert place.load()["epoch"] == 0
    place.save(epoch=9, last=True)
    assert place.load()["epoch"] == 9


def test_parts_do_not_meet_and_nowhere_keeps_nothing(tmp_path):
    place = Checkpoint.within(tmp_path)
    place.part("one").save(x=1)
    place.part("two").save(x=2)
    assert place.part("one").load() == {"x": 1} and place.load() is None
    NOWHERE.part("one").save(x=1)
    assert NOWHERE.load() is None


def test_what_cannot_be_kept_or_read_is_refused(tmp_path):
    place = Checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(TypeError, match="Linear"):
        place.save(network=torch.nn.Linear(1, 1))
    assert not place.path.exists()
    place.path.write_bytes(b"torn")
    with pytest.raises(ValueError, match="remove it"):
        place.load()


def trained(place, stop=None):
    """A small noisy regression by AdamW, killed before epoch `stop`."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 5, generator=generator)
    network = torch.nn.Linear(5, 1)
    with torch.no_grad():
        network.weight.zero_(), network.bias.zero_()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    start, kept = 0, place.load()
    if kept is not None:
        start = kept["epoch"]
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        generator.set_state(kept["generator"])
    for epoch in range(start, 6):
        if epoch == stop:
            raise KeyboardInterrupt
        for rows in torch.randperm(64, generator=generator).split(16):
            optimiser.zero_grad()
            (network(x[rows]) - x[rows].sum(1, keepdim=True)).square().mean().backward()
            optimiser.step()
        parts = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
        place.save(epoch=epoch + 1, generator=generator.get_state(), **parts)
    return network.weight.detach().clone()


@pytest.mark.parametrize("stop", [1, 4])
def test_a_learner_that_goes_on_ends_where_an_unbroken_one_does(tmp_path, stop):
    place = Checkpoint(tmp_path / "x.safetensors", every=0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(place, stop)
    assert torch.equal(trained(place), trained(NOWHERE))
