import dataclasses

import pytest
import torch
from posology.contracts import LearnedModel
from posology.evaluation.fidelity import compared, fidelity, mean_error, outcome_scores
from posology.patient_models import load_model
from posology.patient_models.learned_heads import examples, split_raw
from posology.patient_models.linear import fit_affine, fit_linear
from posology.patient_models.lstm import LSTMConfig, LSTMEnsemble, bootstrap_weights, fit_lstm
from posology.patient_models.lstm_member import MemberNetwork
from posology.patient_models.persistence import fit_persistence
from posology.trajectories.checkpoint import Checkpoint

TINY = LSTMConfig(members=2, hidden=8, epochs=2)


@pytest.fixture(scope="module")
def tiny(toy):
    return fit_lstm(toy.rows(torch.arange(400)), toy.rows(torch.arange(400, 600)), TINY)


def test_training_that_was_interrupted_goes_on_to_the_same_weights(toy, tiny, tmp_path):
    train, tuning, heard = toy.rows(torch.arange(400)), toy.rows(torch.arange(400, 600)), []
    place = Checkpoint(tmp_path / "lstm.safetensors", every=0.0)

    def stop_after(epochs):
        def progress(done, message):
            heard.append(message)
            if len(heard) == epochs:
                raise KeyboardInterrupt

        return progress

    for epochs in (2, 4):  # within the first member before its second checkpoint, then within the second
        with pytest.raises(KeyboardInterrupt):
            fit_lstm(train, tuning, TINY, checkpoint=place, progress=stop_after(epochs))
    found = fit_lstm(train, tuning, TINY, checkpoint=place, progress=lambda done, message: heard.append(message))
    assert [m[:21] for m in heard] == [
        f"LSTM {k} of 2, epoch {e}:" for k, e in ((1, 1), (1, 2), (1, 2), (2, 1), (2, 1), (2, 2))
    ]
    for name, value in vars(found.weights).items():
        assert torch.equal(value, getattr(tiny.weights, name)), name


@pytest.fixture(scope="module")
def learned(sepsis):
    train, tuning = sepsis.rows(torch.arange(1500)), sepsis.rows(torch.arange(1500, 1800))
    models = {
        "lstm": fit_lstm(train, tuning, LSTMConfig(members=2)),
        "linear": fit_linear(train),
        "persistence": fit_persistence(train),
    }
    return models, fidelity(models, sepsis.rows(torch.arange(1800, 3600)), ahead=(4, 8, 18))


def test_it_beats_linear_and_persistence_one_decision_ahead_and_open_loop(learned):
    """On 1,800 held-out stays, with intervals by patient: the margin is asked for, not just the sign."""
    _, found = learned
    for rival, margin in (("linear", 0.01), ("persistence", 0.10)):
        pairs = {1: (found.one_step["lstm"], found.one_step[rival])}
        pairs |= {k: (found.open_loop["lstm"][k], found.open_loop[rival][k]) for k in (4, 8, 18)}
        for k, (ours, theirs) in pairs.items():
            difference = compared(f"{k}", ("lstm", ours), (rival, theirs))
            assert difference.difference < -margin, (rival, k, difference)
            assert difference.high < 0, (rival, k, difference)
    assert mean_error(found.one_step["lstm"]) < 0.30


def test_its_risk_of_death_is_calibrated_and_ranks(learned):
    _, found = learned
    scores = outcome_scores(found.one_step["lstm"])
    assert 0.8 < scores["deaths predicted per death"] < 1.25
    assert scores["AUROC"] > 0.85
    assert scores["Brier score"] < outcome_scores(found.one_step["persistence"])["Brier score"]


def test_its_densities_are_calibrated(learned):
    """Nine tenths of what was measured lies within 1.64 SD."""
    _, found = learned
    for errors in (found.one_step["lstm"], found.open_loop["lstm"][4]):
        assert (errors.nll[errors.count.sum(0) > 200] < 1.45).all()
        spread = errors.rmse[0] ** 2
        assert spread < 0.25


def test_members_disagree_more_where_nobody_has_been(learned, sepsis):
    model = learned[0]["lstm"]
    assert isinstance(model, LearnedModel)
    held = sepsis.rows(torch.arange(1800, 2400))
    states = model.resume(held).rows(torch.arange(600) * 19 + 3)
    hours = torch.full((600,), 4.0)
    usual = model.disagreement(states, held.dose[:, 3], hours)
    extreme = model.disagreement(states, torch.tensor([4000.0, 1.5]).expand(600, 2), hours)
    assert usual.shape == (600,) and (usual > 0).all()
    assert extreme.mean() > 1.5 * usual.mean()


def test_a_network_starts_as_the_linear_patient(toy):
    target = examples(fit_persistence(toy).setting.layout, toy)
    weight = fit_affine(target, 1.0)
    network = MemberNetwork(weight, 8, torch.Generator().manual_seed(0))
    ours = split_raw(network(target.inputs))
    theirs = split_raw(target.inputs @ weight[:-1] + weight[-1])
    for name in ("change", "log_sd", "logit", "log_rate"):
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), atol=1e-5), name


def test_stepping_computes_what_was_trained(toy, tiny):
    """The fused cells, one step at a time, against torch's own LSTM over whole stays."""
    weights, hidden = tiny.weights, tiny.weights.recurrent.shape[1]
    target = examples(tiny.setting.layout, toy)
    lstm = torch.nn.LSTM(target.inputs.shape[2], hidden, batch_first=True)
    states = tiny.resume(toy)
    for k in range(tiny.members):
        gates = {"weight_ih_l0": weights.input[k].t(), "weight_hh_l0": weights.recurrent[k].t()}
        gates |= {"bias_ih_l0": weights.bias[k], "bias_hh_l0": torch.zeros_like(weights.bias[k])}
        lstm.load_state_dict(gates)
        with torch.no_grad():
            expected, _ = lstm(target.inputs)
        place = slice(1 + 2 * k * hidden, 1 + (2 * k + 1) * hidden)
        found = states.memory.unflatten(0, (len(toy), -1))[:, 1:, place]
        assert torch.allclose(found[target.state], expected[target.state], atol=1e-5)


def test_what_follows_never_changes_what_is_known(toy, tiny):
    later = toy.replace(vitals=toy.vitals.clone(), dose=toy.dose.clone())
    later.vitals[:, 5:], later.dose[:, 5:] = 100.0, 0.01
    before, after = (tiny.resume(stays).memory.unflatten(0, (600, -1)) for stays in (toy, later))
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6], after[:, 6])


def test_each_row_follows_one_member(tiny):
    noise = torch.randn(64, tiny.admit_noise_dim), torch.randn(3, 64, tiny.noise_dim)
    state = tiny.admit(None, noise[0])
    assert (state.memory[:, 0] == -1).all()
    dose, hours = torch.full((64, 2), 0.1), torch.full((64,), 4.0)
    chosen = []
    for t in range(3):
        state = tiny.step(state, dose, hours, noise[1][t])
        chosen.append(state.memory[:, 0])
    assert torch.equal(chosen[0], chosen[1]) and torch.equal(chosen[0], chosen[2])
    assert set(chosen[0].tolist()) == {0.0, 1.0}


def test_padding_changes_no_fit(toy, lengthen):
    tuning = toy.rows(torch.arange(400, 600))
    short = fit_lstm(toy, tuning, TINY)
    long = fit_lstm(lengthen(toy, 3), lengthen(tuning, 3), TINY)
    a, b = (m.forecast(m.resume(toy), torch.zeros(5400, 2), torch.full((5400,), 4.0)) for m in (short, long))
    for ours, theirs in zip(a, b, strict=True):
        assert torch.allclose(ours, theirs, atol=0.02)


def test_same_seed_same_model_other_seed_another(toy):
    parts = toy.rows(torch.arange(200)), toy.rows(torch.arange(200, 300))
    first, again, other = (fit_lstm(*parts, TINY, seed=seed).weights for seed in (0, 0, 1))
    assert all(torch.equal(x, y) for x, y in zip(vars(first).values(), vars(again).values(), strict=True))
    assert not torch.equal(first.recurrent, other.recurrent)
    assert not torch.allclose(first.head_input[0], first.head_input[1])  # members saw other patients


def test_bootstrap_draws_patients_not_stays():
    subject = torch.tensor([7, 7, 7, 1, 2, 3])
    each = bootstrap_weights(subject, torch.Generator().manual_seed(0))
    assert each[0] == each[1] == each[2]
    assert each[[0, 3, 4, 5]].sum() == 4


def test_saved_and_loaded_steps_alike(tiny, tmp_path):
    again = load_model(tiny.save(tmp_path / "model"))
    assert isinstance(again, LSTMEnsemble) and again.spec == tiny.spec and again.noise_dim == tiny.noise_dim
    admitted, noise = torch.randn(16, tiny.admit_noise_dim), torch.randn(16, tiny.noise_dim)
    dose, hours = torch.full((16, 2), 0.2), torch.full((16,), 4.0)
    a, b = (m.step(m.admit(None, admitted), dose, hours, noise) for m in (tiny, again))
    assert all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]


def test_wrong_use_is_said(toy, tiny, tmp_path):
    state = tiny.admit(None, torch.zeros(2, tiny.admit_noise_dim))
    noise, hours = torch.zeros(2, tiny.noise_dim), torch.full((2,), 4.0)
    with pytest.raises(ValueError, match="norepinephrine"):
        tiny.step(state, torch.tensor([[0.0, 0.1], [0.0, 3.0]]), hours, noise)
    with pytest.raises(ValueError, match="hours"):
        tiny.step(state, torch.zeros(2, 2), hours * 9, noise)
    with pytest.raises(ValueError, match="noise: expected shape"):
        tiny.admit(None, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="context: expected shape"):
        tiny.admit(torch.zeros(2, 5), torch.zeros(2, tiny.admit_noise_dim))
    with pytest.raises(ValueError, match="tuning"):
        fit_lstm(toy, toy.rows(torch.arange(0)), TINY)
    with pytest.raises(FileNotFoundError, match="holds no patient model"):
        load_model(tmp_path)
    with pytest.raises(ValueError, match="learning_rate"):
        dataclasses.replace(TINY, learning_rate=0.0)


def test_progress_runs_to_the_end(toy):
    said = []
    fit_lstm(toy.rows(torch.arange(100)), toy.rows(torch.arange(100, 160)), TINY, progress=lambda d, m: said.append(d))
    assert said == sorted(said) and said[-1] == 1.0
