import torch
from posology.patient_models.length_buckets import length_buckets
from posology.patient_models.lstm import LSTMConfig, fit_lstm


def test_every_stay_is_in_one_batch_of_stays_about_as_long():
    length = torch.randint(1, 20, (1000,), generator=torch.Generator().manual_seed(0))
    batches = length_buckets(length, 50, torch.Generator().manual_seed(1))
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(1000))
    assert max(len(batch) for batch in batches) == 50
    wasted = sum(int((length[batch].max() - length[batch]).sum()) for batch in batches)
    assert wasted < 0.15 * int(length.sum())
    again = length_buckets(length, 50, torch.Generator().manual_seed(2))
    assert not torch.equal(torch.cat(batches), torch.cat(again))
    starts = [int(length[batch].min()) for batch in batches]
    assert starts != sorted(starts), "short and long batches come in random order"


def test_half_the_bits_teach_as_much(toy):
    train, tuning = toy.rows(torch.arange(400)), toy.rows(torch.arange(400, 600))
    models = [fit_lstm(train, tuning, LSTMConfig(members=1, hidden=16, epochs=4, bfloat16=b)) for b in (False, True)]
    states = models[0].resume(tuning)
    dose, hours = torch.zeros(len(states), 2), torch.full((len(states),), 4.0)
    full, half = (m.forecast(m.resume(tuning), dose, hours).mean for m in models)
    assert not torch.equal(full, half) and torch.allclose(full, half, atol=0.15)
    assert all(m.weights.recurrent.dtype == torch.float32 for m in models)
