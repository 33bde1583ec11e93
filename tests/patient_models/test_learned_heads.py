import torch
from posology.patient_models.learned_heads import (
    examples,
    forecast,
    measuring_loss,
    negative_log_likelihood,
    outcome_loss,
    outputs,
    risks,
    split_raw,
    value_loss,
)
from posology.patient_models.learned_inputs import InputLayout


def some_raw(target, seed=0):
    shape = (*target.mask.shape, outputs(target.change.shape[-1]))
    return 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_are_jointly_gaussian_over_what_was_measured(toy):
    target = examples(InputLayout(toy.spec), toy).rows(torch.arange(6))
    part = split_raw(some_raw(target))
    found = value_loss(part, target)
    for stay in range(6):
        expected = torch.zeros((), dtype=torch.float64)
        for t in range(target.mask.shape[1]):
            seen = target.seen[stay, t]
            if seen.any():
                own, shared = part.log_sd[stay, t, seen].exp(), part.shared[stay, t, seen]
                covariance = torch.diag(own**2) + torch.outer(shared, shared)
                normal = torch.distributions.MultivariateNormal(part.change[stay, t, seen], covariance)
                expected = expected - normal.log_prob(target.change[stay, t, seen].double())
        assert torch.allclose(found[stay], expected, atol=1e-6)


def test_risks_are_those_of_competing_exponentials():
    log_rate, hours = torch.tensor([[-3.0, -2.0]]), torch.tensor([5.0])
    g = torch.Generator().manual_seed(0)
    times = -torch.log(torch.rand(400_000, 2, generator=g)) / log_rate.exp()
    first = torch.where(times.min(1).values < 5, times.argmin(1), 2)
    shares = torch.bincount(first, minlength=3)[:2] / len(first)
    assert torch.allclose(risks(log_rate, hours)[0], shares, atol=3e-3)
    assert torch.allclose(risks(log_rate, hours * 1e-4)[0], log_rate[0].exp() * 5e-4, rtol=1e-3)


def test_outcome_loss_is_the_logarithm_of_its_probability(toy):
    target = examples(InputLayout(toy.spec), toy)
    log_rate = some_raw(target)[..., -2:] - 3
    risk = risks(log_rate, target.hours.double())
    chance = torch.where(target.event.any(-1), (risk * target.event).sum(-1), 1 - risk.sum(-1))
    expected = -torch.where(target.mask, chance.log(), 0.0).sum(1)
    assert torch.allclose(outcome_loss(log_rate, target), expected, atol=1e-5)


def test_what_was_not_measured_is_no_target(toy):
    layout = InputLayout(toy.spec)
    target = examples(layout, toy)
    raw = some_raw(target)
    wrong = torch.where(target.seen, target.change, 7.0)
    changed = type(target)(**{**vars(target), "change": wrong})
    assert torch.equal(negative_log_likelihood(raw, target), negative_log_likelihood(raw, changed))
    assert not target.seen[~target.mask].any()
    ends = torch.arange(8) == toy.length[:, None] - 1
    assert not target.seen[ends & (toy.outcome == 2)[:, None]].any()  # nothing is measured of the dead
    assert target.seen[ends & (toy.outcome == 0)[:, None]].any()


def test_padding_changes_no_loss(toy, lengthen):
    layout = InputLayout(toy.spec)
    short, long = examples(layout, toy), examples(layout, lengthen(toy, 3))
    raw = some_raw(long)
    assert torch.equal(long.inputs[:, :8][short.mask], short.inputs[short.mask])
    for loss in (
        lambda raw, target: value_loss(split_raw(raw), target),
        lambda raw, target: measuring_loss(split_raw(raw).logit, target),
        lambda raw, target: outcome_loss(split_raw(raw).log_rate, target),
    ):
        assert torch.allclose(loss(raw[:, :8], short), loss(raw, long), rtol=1e-10)


def test_a_forecast_is_finite_and_proper_whatever_the_network_says():
    raw = torch.tensor([[-1e6], [0.0], [1e6]]).expand(3, outputs(2))
    found = forecast(raw, torch.zeros(3, 2), torch.full((3,), 4.0))
    assert all(torch.isfinite(part).all() for part in found)
    assert (found.sd > 0).all() and (found.risk >= 0).all() and (found.risk.sum(1) <= 1).all()


def test_a_state_becomes_inputs_without_what_comes_later(toy):
    layout = InputLayout(toy.spec)
    inputs = examples(layout, toy).inputs
    assert inputs.shape == (600, 8, layout.size)
    later = toy.replace(vitals=toy.vitals.clone(), dose=toy.dose.clone())
    later.vitals[:, 4:] = later.vitals[:, 4:] * 0.5 + 1
    later.dose[:, 4:] = 0.01
    assert torch.equal(examples(layout, later).inputs[:, :4], inputs[:, :4])
    assert not torch.equal(examples(layout, later).inputs[:, 4], inputs[:, 4])
