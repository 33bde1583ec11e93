import torch
from posology.patient_models.learned_heads import examples
from posology.patient_models.learned_inputs import InputLayout
from posology.patient_models.length_buckets import BUCKET, length_buckets
from posology.patient_models.linear import fit_affine
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.patient_models.lstm_member import MemberNetwork, train_epoch


def test_a_batch_falls_into_buckets_of_stays_about_as_long():
    length = torch.randint(1, 20, (2000,), generator=torch.Generator().manual_seed(0))
    rows = torch.randperm(2000, generator=torch.Generator().manual_seed(1))[:512]
    buckets = length_buckets(rows, length)
    assert torch.equal(torch.cat(buckets).sort().values, rows.sort().values)
    assert [len(bucket) for bucket in buckets] == [BUCKET] * 4
    wasted = sum(int((length[bucket].max() - length[bucket]).sum()) for bucket in buckets)
    assert wasted < 0.25 * int(length[rows].sum())
    assert wasted < 0.3 * int((length[rows].max() - length[rows]).sum())


def test_buckets_change_no_update(toy, monkeypatch):
    """One epoch of one batch, computed whole or in buckets of 32, leads to the same weights."""
    target = examples(InputLayout(toy.spec), toy)
    found = []
    for bucket in (10_000, 32):
        monkeypatch.setattr("posology.patient_models.length_buckets.BUCKET", bucket)
        network = MemberNetwork(fit_affine(target, 1.0), 8, torch.Generator().manual_seed(0))
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        data, generator = (target, torch.ones(len(toy))), torch.Generator().manual_seed(1)
        train_epoch(network, optimiser, data, len(toy), bfloat16=False, generator=generator)
        found.append(network.state_dict())
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=1e-5), name


def test_half_the_bits_teach_as_much(toy):
    train, tuning = toy.rows(torch.arange(400)), toy.rows(torch.arange(400, 600))
    models = [fit_lstm(train, tuning, LSTMConfig(members=1, hidden=16, epochs=4, bfloat16=b)) for b in (False, True)]
    states = models[0].resume(tuning)
    dose, hours = torch.zeros(len(states), 2), torch.full((len(states),), 4.0)
    full, half = (m.forecast(m.resume(tuning), dose, hours).mean for m in models)
    assert not torch.equal(full, half) and torch.allclose(full, half, atol=0.15)
    assert all(m.weights.recurrent.dtype == torch.float32 for m in models)
