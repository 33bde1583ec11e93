import pytest
import torch
from posology.patient_models.admission import Admission
from posology.patient_models.admission_fit import CROWD, KNOTS, fit_admission


@pytest.fixture(scope="module")
def admission(toy):
    return Admission(toy.spec, *fit_admission(toy))


def draw(admission, context=None, count=20_000):
    noise = torch.randn(count, admission.noise_dim, generator=torch.Generator().manual_seed(0))
    return admission.draw(context, noise)


def test_first_states_look_like_the_recorded_ones(toy, admission):
    context, vitals, seen, age = draw(admission)
    assert torch.allclose(context.mean(0), toy.context.mean(0), rtol=0.03)
    assert torch.allclose(context[:, 0].std(), toy.context[:, 0].std(), rtol=0.05)
    assert set(context[:, 1].unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(seen.float().mean(0), toy.seen[:, 0].float().mean(0), atol=0.03)
    known = toy.vitals[:, 0, 0][toy.seen[:, 0, 0]]
    assert torch.allclose(vitals[seen[:, 0], 0].mean(), known.mean(), rtol=0.02)
    assert torch.allclose(vitals[seen[:, 0], 0].std(), known.std(), rtol=0.08)
    assert (age[seen] == 0).all()
    limit = torch.tensor([f.max_age for f in toy.spec.features]).expand_as(age)
    assert torch.equal(age[~seen], limit[~seen])  # nothing was carried into these stays
    midpoint = torch.tensor([f.midpoint for f in toy.spec.features]).expand_as(vitals)
    assert torch.equal(vitals[~seen], midpoint[~seen])


def test_columns_go_together_as_recorded(toy, admission):
    """Age raises the first pressure: a correlation of about .5."""
    context, vitals, seen, _ = draw(admission)

    def correlation(x, y):
        return torch.corrcoef(torch.stack([x, y]))[0, 1]

    ours, theirs = seen[:, 0], toy.seen[:, 0, 0]
    found = correlation(context[ours, 0], vitals[ours, 0])
    assert found > 0.35
    assert torch.isclose(found, correlation(toy.context[theirs, 0], toy.vitals[theirs, 0, 0]), atol=0.06)


def test_a_given_context_is_kept_and_followed(toy, admission):
    context, vitals, seen, _ = draw(admission)
    given, followed, shown, _ = draw(admission, context)
    assert torch.equal(given, context)
    old = torch.tensor([85.0, 1.0]).expand(20_000, 2)
    young = torch.tensor([35.0, 0.0]).expand(20_000, 2)
    first, second = draw(admission, old), draw(admission, young)
    gap = first[1][first[2][:, 0], 0].mean() - second[1][second[2][:, 0], 0].mean()
    assert gap > 8  # mmHg; .3 scaled per 12 years over 50 years is 19, the copula's noise takes little off
    assert torch.allclose(followed[shown[:, 0], 0].mean(), vitals[seen[:, 0], 0].mean(), rtol=0.02)


def test_ages_of_carried_values_come_along(make_toy):
    stays = make_toy(400, seed=3)
    seen, age = stays.seen.clone(), stays.age.clone()
    seen[:200, 0, 0], age[:200, 0, 0] = False, 6.0
    _, _, drawn, ages = draw(Admission(stays.spec, *fit_admission(stays.replace(seen=seen, age=age))))
    carried = ~drawn[:, 0] & (ages[:, 0] < 12)
    assert abs(float(carried.float().mean()) - 0.5) < 0.04
    assert torch.allclose(ages[carried, 0], torch.tensor(6.0), atol=1e-3)


def test_no_patient_is_kept(toy, admission):
    values = admission.quantiles[0]
    scaled = (toy.context[:, 0] - 65) / 15
    assert not torch.isclose(values[:, None], scaled[None], atol=1e-6, rtol=0).any()
    sizes = {tuple(fit_admission(toy.rows(torch.arange(n)))[0].shape) for n in (20, 300, 600)}
    assert sizes == {(len(values.new_zeros(admission.noise_dim)), KNOTS)}
    few = fit_admission(toy.rows(torch.arange(CROWD)))[0][0]
    assert torch.allclose(few, scaled[:CROWD].mean(), atol=1e-5)  # the mean of all five, everywhere


def test_too_few_stays_are_refused(toy):
    with pytest.raises(ValueError, match="at least 5 stays, got 4"):
        fit_admission(toy.rows(torch.arange(4)))
