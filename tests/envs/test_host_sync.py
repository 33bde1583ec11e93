"""The core step never waits for an accelerator's answer: checked by structure, on any machine."""

import pytest
import torch
from posology.trajectories.noise import seeds
from posology.trajectories.ward import advance, open_ward
from torch.utils._python_dispatch import TorchDispatchMode

SYNCING = ("_local_scalar_dense", "nonzero", "masked_select", "_to_copy", "unique", "equal", "is_nonzero")


class Counter(TorchDispatchMode):
    """Operations by name; `_to_copy` counts only where it changes the device."""

    def __init__(self):
        super().__init__()
        self.operations = []
        self.syncs = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.operations.append(name)
        indices = args[1] if name in ("index", "index_put") else ()
        if any(index is not None and index.dtype == torch.bool for index in indices):
            self.syncs.append(f"{name} by a mask")
        if name in SYNCING and (name != "_to_copy" or (kwargs or {}).get("device") not in (None, args[0].device)):
            self.syncs.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def counted(core, actions_for):
    """Runs `repeat` steps of `rows` beds and returns the counter."""

    def run(rows, work):
        ward = open_ward(core, seeds(0, rows))
        action = torch.as_tensor(actions_for(1, rows)[0])
        work(ward, action)  # builds what is built once
        with Counter() as counter:
            work(ward, action)
        return counter

    return run


def test_step_observe_and_noise_do_not_synchronise(core, counted, monkeypatch):
    """The path taken on accelerators, where what costs is done for every row."""
    monkeypatch.setattr("posology.trajectories.ward.resets_by_index", lambda device: False)

    def work(ward, action):
        noise = torch.zeros(len(action), core.noise_dim)
        step = core.step(ward.state, action, core.interval(ward.state, action), noise)
        core.observe(step.state)
        core.allowed(step.state)

    few, many = counted(4, work), counted(32, work)  # pictures are made and read in blocks of rows, each as this
    assert few.syncs == many.syncs == []
    assert few.operations == many.operations


def test_masked_autoreset_does_not_synchronise(core, counted, monkeypatch):
    """The path taken on accelerators, run here by hiding that this is a CPU."""
    monkeypatch.setattr("posology.trajectories.ward.resets_by_index", lambda device: False)
    counter = counted(8, lambda ward, action: advance(core, ward, action))
    assert counter.syncs == []


def test_a_whole_step_runs_without_data(core, actions_for):
    """On the meta device nothing can be read back and nothing may lie on the CPU."""
    ward = open_ward(core, seeds(0, 8, "meta"))
    result = advance(core, ward, torch.as_tensor(actions_for(1, 8)[0]).to("meta"))
    tensors = [result.obs, result.final_obs, result.done, *vars(result.step).values(), *vars(result.ward).values()]
    tensors += vars(result.ward.state).values()
    assert {t.device.type for t in tensors if isinstance(t, torch.Tensor)} == {"meta"}
    assert result.obs.shape == (8, core.observation_dim)


def test_both_autoresets_give_the_same_ward(core, actions_for, ends_early, irregular, monkeypatch):
    wards = []
    for by_index in (True, False):
        monkeypatch.setattr("posology.trajectories.ward.resets_by_index", lambda device, by_index=by_index: by_index)
        ward, ends = open_ward(core, seeds(0, 32)), 0
        for action in torch.as_tensor(actions_for(24 if irregular else 8, 32)):
            result = advance(core, ward, action)
            ward, ends = result.ward, ends + int(result.done.sum())
        assert (ends > 0) == ends_early
        wards.append((ward, result.obs))
    (a, obs_a), (b, obs_b) = wards
    assert torch.equal(a.admission, b.admission) and torch.equal(a.decision, b.decision)
    assert torch.allclose(obs_a, obs_b, atol=1e-5)


def test_the_counter_sees_what_it_should():
    x = torch.arange(4.0)
    for work in (lambda: float(x[0]), lambda: x[x > 1], lambda: x.nonzero(), lambda: x.to("meta")):
        with Counter() as counter:
            work()
        assert counter.syncs
