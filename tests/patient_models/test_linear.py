import math

import pytest
import torch
from posology.patient_models.learned_affine import Affine
from posology.patient_models.learned_heads import NEVER, examples, negative_log_likelihood, split_raw
from posology.patient_models.linear import LinearConfig, fit_affine, fit_linear
from posology.patient_models.persistence import fit_persistence

DECAY, GAIN, NOISE, DEATH = 0.7, 1.5, 0.2, 0.01  # as in conftest.py


@pytest.fixture(scope="module")
def linear(toy):
    return fit_linear(toy)


def forecasts(model, stays):
    """The forecast before every decision, and the examples."""
    states = model.resume(stays)
    rows, steps = stays.mask.shape
    number = torch.arange(rows)[:, None] * (steps + 1) + torch.arange(steps)
    target = examples(model.setting.layout, stays)
    found = model.forecast(states.rows(number.flatten()), stays.dose.flatten(0, 1), target.hours.flatten())
    return found, target


def test_linear_finds_the_truth(make_toy):
    """.7 of the pressure stays, the root of the dose raises it by 1.5, and the noise has an SD of .2."""
    toy = make_toy(600, measured=(1.0, 0.5, 0.6))
    linear = fit_linear(toy)
    state = linear.resume(toy).rows(torch.zeros(1, dtype=torch.int64))
    hours = torch.full((1,), 4.0)

    def mean(pressure, dose):
        given = torch.tensor([[0.0, dose]])
        now = state.replace(vitals=torch.tensor([[75.0 + 15 * pressure, 2.0, 0.0]]))
        return float(linear.forecast(now, given, hours).mean[0, 0])

    assert math.isclose(mean(1.0, 0.0) - mean(0.0, 0.0), DECAY, abs_tol=0.03)
    assert math.isclose(mean(0.0, 0.3) - mean(0.0, 0.0), GAIN, abs_tol=0.05)
    found, target = forecasts(linear, toy)
    error = (target.change.flatten(0, 1) + linear.setting.layout.values(toy.vitals)[:, :-1].flatten(0, 1)) - found.mean
    seen = target.seen.flatten(0, 1)[:, 0]
    assert math.isclose(float(error[seen, 0].square().mean().sqrt()), NOISE, rel_tol=0.05)
    assert math.isclose(float(found.sd[0, 0]), NOISE, rel_tol=0.05)


def test_rates_are_those_of_the_cohort(toy, linear):
    for model in (linear, fit_persistence(toy)):
        found, target = forecasts(model, toy)
        decided, observed = target.mask.flatten(), target.state.flatten()
        expected = float(found.risk[decided, 1].sum())
        assert math.isclose(expected, int((toy.outcome == 2).sum()), rel_tol=0.05)
        assert float(found.risk[decided, 0].max()) < 1e-9  # nobody was ever discharged
        shares = target.seen.flatten(0, 1)[observed].float().mean(0)
        assert torch.allclose(found.measured[observed].mean(0), shares, atol=0.01)


def test_the_optimum_was_reached(toy, linear):
    """No small change of the weights improves the penalised likelihood of measurements and hazards."""
    target = examples(linear.setting.layout, toy)
    weight = linear.weight.double().clone().requires_grad_()
    raw = target.inputs.double() @ weight[:-1] + weight[-1]
    loss = negative_log_likelihood(raw, target).sum() + 0.5 * 1.0 * weight[:-1].square().sum()
    (slope,) = torch.autograd.grad(loss, weight)
    features = len(toy.spec.features)
    free = [*range(3 * features, 4 * features), 4 * features + 1]
    assert slope[:, free].abs().max() / toy.mask.sum() < 2e-3


def test_few_stays_get_a_large_penalty(make_toy):
    """Ten stays of eight decisions cannot carry sixty coefficients; tuning stays show it, and prediction gains."""
    few, tuning, held = make_toy(10, seed=5), make_toy(300, seed=6), make_toy(300, seed=7)

    def loss(model):
        target = examples(model.setting.layout, held)
        raw = target.inputs @ model.weight[:-1] + model.weight[-1]
        return float(negative_log_likelihood(raw, target).mean())

    chosen = loss(fit_linear(few, tuning))
    fixed = {ridge: loss(fit_linear(few, tuning, LinearConfig(ridges=(ridge,)))) for ridge in LinearConfig().ridges}
    assert chosen == pytest.approx(min(fixed.values()), rel=0.02)
    assert chosen < 0.9 * fixed[1.0]
    assert loss(fit_linear(few)) == fixed[1.0]


def test_stays_count_by_weight(toy):
    half = examples(fit_persistence(toy).setting.layout, toy.rows(torch.arange(100)))
    both = examples(fit_persistence(toy).setting.layout, toy.rows(torch.arange(100).repeat(2)))
    twice = fit_affine(half, 1.0, torch.full((100,), 2.0))
    assert torch.allclose(twice, fit_affine(both, 1.0), atol=2e-2)
    zero = torch.cat([torch.ones(100), torch.zeros(500)])
    every = examples(fit_persistence(toy).setting.layout, toy)
    assert torch.allclose(fit_affine(every, 1.0, zero), fit_affine(half, 1.0), atol=1e-4)


def test_padding_changes_no_fit(toy, lengthen):
    long = lengthen(toy, 4)
    for fit in (fit_persistence, fit_linear):
        for ours, theirs in zip(forecasts(fit(toy), toy)[0], forecasts(fit(long), toy)[0], strict=True):
            assert torch.allclose(ours, theirs, atol=0.01)


def test_persistence_expects_the_last_value(toy):
    model = fit_persistence(toy)
    found, target = forecasts(model, toy)
    assert torch.equal(found.mean, model.setting.layout.values(toy.vitals)[:, :-1].flatten(0, 1))
    change = target.change[target.seen[:, :, 0], 0]
    assert torch.allclose(found.sd[0, 0], change.square().mean().sqrt(), rtol=0.01)
    part = split_raw(model.weight[-1])
    assert part.log_rate[0] == NEVER
    assert math.isclose(float(part.log_rate[1].exp()), DEATH, rel_tol=0.15)


def test_saved_and_loaded_steps_alike(toy, linear, tmp_path):
    for model in (linear, fit_persistence(toy)):
        model.save(tmp_path / model.kind)
        again = Affine.load(tmp_path / model.kind)
        assert again.kind == model.kind and again.spec == model.spec and again.fixed_hours == 4.0
        noise = torch.randn(8, model.noise_dim), torch.randn(8, model.admit_noise_dim)
        a, b = (m.admit(None, noise[1]) for m in (model, again))
        dose, hours = torch.full((8, 2), 0.1), torch.full((8,), 4.0)
        a, b = (m.step(s, dose, hours, noise[0]) for m, s in ((model, a), (again, b)))
        assert all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
        with pytest.raises(FileExistsError):
            model.save(tmp_path / model.kind)


def test_nothing_to_fit_is_said(toy):
    with pytest.raises(ValueError, match="no decision"):
        fit_linear(toy.replace(mask=torch.zeros_like(toy.mask)))
