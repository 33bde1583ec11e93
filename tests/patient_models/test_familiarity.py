"""Doubt: little of what training stays hold, much of what they do not, and no row kept."""

import dataclasses

import pytest
import torch
from posology.patient_models import load_model
from posology.patient_models.familiarity import FEATURES, fit_familiarity
from posology.patient_models.learned_heads import examples
from posology.patient_models.learned_inputs import InputLayout
from posology.patient_models.lstm import LSTMConfig, fit_lstm


@pytest.fixture(scope="module")
def layout(toy):
    return InputLayout(toy.spec)


def fitted(layout, stays, seed=0):
    return fit_familiarity(layout, examples(layout, stays), torch.Generator().manual_seed(seed))


def inputs(layout, stays):
    target = examples(layout, stays)
    return target.inputs[target.mask]


def test_doubt_is_the_posterior_sd_of_the_features_process(layout, toy):
    """Against the textbook formula over all training rows: prior minus what the rows explain."""
    few = toy.rows(torch.arange(20))
    familiarity, rows = fitted(layout, few), inputs(layout, few)
    asked = inputs(layout, toy.rows(torch.arange(100, 110)))

    def features(x):
        return torch.cos(x @ familiarity.frequency + familiarity.phase).double() * (2 / FEATURES) ** 0.5

    seen, new = features(rows), features(asked)
    kernel = seen @ seen.t() + torch.eye(len(seen), dtype=torch.float64)
    explained = (new @ seen.t() * torch.linalg.solve(kernel, seen @ new.t()).t()).sum(1)
    expected = (new.square().sum(1) - explained).sqrt()
    assert torch.allclose(familiarity.doubt(asked).double(), expected, atol=1e-3)


def test_more_of_the_same_leaves_less_doubt(layout, toy):
    asked = inputs(layout, toy.rows(torch.arange(500, 600)))
    doubts = [fitted(layout, toy.rows(torch.arange(n))).doubt(asked).mean() for n in (20, 100, 500)]
    assert doubts[0] > 1.3 * doubts[1] > 1.3 * 1.3 * doubts[2]
    assert 0 < float(doubts[2]) < float(doubts[0]) <= 1


def test_a_dose_that_is_never_given_is_doubted(toy):
    """The highest norepinephrine level is taken out of the record; the members hardly notice, the doubt does."""
    lower = toy.replace(dose=torch.where(toy.dose > 0.2, toy.dose.clamp_max(150.0), toy.dose))
    lower.dose[:, :, 1].clamp_(max=0.07)
    model = fit_lstm(
        lower.rows(torch.arange(400)), lower.rows(torch.arange(400, 500)), LSTMConfig(2, 8, epochs=2), seed=0
    )
    states = model.resume(lower).rows(torch.arange(500, 600) * 9 + 2)
    hours = torch.full((100,), 4.0)
    known, never = (torch.tensor([150.0, dose]).expand(100, 2) for dose in (0.07, 0.30))
    familiar, strange = (
        model.familiarity.doubt(model.setting.layout.columns(states, d, hours)) for d in (known, never)
    )
    assert (strange > familiar).float().mean() > 0.95 and strange.mean() > 1.5 * familiar.mean()
    both = model.spread(states, never, hours) + strange
    assert torch.allclose(model.disagreement(states, never, hours), both)


def test_its_size_does_not_depend_on_the_stays_and_it_is_saved(toy, tmp_path):
    sizes = set()
    for n in (30, 200):
        model = fit_lstm(toy.rows(torch.arange(n)), toy.rows(torch.arange(n, n + 20)), LSTMConfig(1, 4, epochs=1))
        sizes.add(tuple(tuple(value.shape) for value in vars(model.familiarity).values()))
        again = load_model(model.save(tmp_path / f"{n}"))
        for name, value in vars(model.familiarity).items():
            assert torch.equal(getattr(again.familiarity, name), value), name
    assert len(sizes) == 1


def test_padding_changes_nothing(layout, toy, lengthen):
    asked = inputs(layout, toy.rows(torch.arange(50)))
    a, b = (fitted(layout, stays).doubt(asked) for stays in (toy, lengthen(toy, 3)))
    assert torch.allclose(a, b, atol=1e-4)
    assert dataclasses.asdict(fitted(layout, toy)).keys() == {"frequency", "phase", "factor"}
