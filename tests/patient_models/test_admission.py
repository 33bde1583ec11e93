import numpy as np
import pytest
import torch
from posology.evaluation.two_sample import classifier_auc, known_columns, nearest_distance
from posology.patient_models.admission import Admission
from posology.patient_models.admission_fit import CROWD, KNOTS, fit_admission
from posology.patient_models.learned_inputs import states_of


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


def test_values_are_rounded_as_the_records_round_them(make_toy):
    stays = make_toy(300, seed=4)
    vitals = stays.vitals.clone()
    vitals[:, 0, 0], vitals[:, 0, 1] = (vitals[:, 0, 0] / 5).round() * 5, (vitals[:, 0, 1] * 10).round() / 10
    fitted = Admission(stays.spec, *fit_admission(stays.replace(vitals=vitals)))
    assert fitted.grid.tolist() == pytest.approx([0.0, 1.0, 5.0, 0.1, 1.0])
    _, drawn, seen, _ = draw(fitted)
    assert torch.allclose(drawn[:, 0] % 5, torch.zeros(1)) and len(drawn[seen[:, 0], 0].unique()) > 5
    assert torch.allclose((drawn[:, 1] * 10).round() / 10, drawn[:, 1], atol=1e-6)


def test_what_is_rare_stays_as_rare(make_toy):
    stays = make_toy(1000, seed=8)
    context = stays.context.clone()
    context[:, 1] = (torch.arange(1000) < 6).float()
    fitted = Admission(stays.spec, *fit_admission(stays.replace(context=context)))
    drawn, *_ = draw(fitted)
    assert float(drawn[:, 1].mean()) == pytest.approx(0.006, abs=0.003)
    off = fitted.factor @ fitted.factor.t()
    assert off[1, [0, *range(2, len(off))]].abs().max() < 0.25, "six stays say little of what goes with them"


def test_laboratory_values_measured_together_stay_together(make_toy):
    stays = make_toy(60, seed=5)
    seen = stays.seen.clone()
    seen[:, 0, 1] = seen[:, 0, 0]
    _, _, drawn, _ = draw(Admission(stays.spec, *fit_admission(stays.replace(seen=seen))))
    assert float((drawn[:, 0] == drawn[:, 1]).float().mean()) > 0.97


def test_a_network_cannot_tell_the_admitted_from_patients_left_out(make_toy):
    stays = make_toy(1200, seed=6)
    fitted, held = (
        Admission(stays.spec, *fit_admission(stays.rows(torch.arange(600)))),
        stays.rows(torch.arange(600, 1200)),
    )
    real = known_columns(stays.spec, states_of(held).rows(torch.arange(600) * 9))
    context, vitals, seen, age = draw(fitted, count=600)
    state = states_of(held).rows(torch.arange(600) * 9).replace(context=context, vitals=vitals, seen=seen, age=age)
    area = classifier_auc(real, known_columns(stays.spec, state))
    assert area.low < 0.5 and area.high < 0.6, area


def test_nobody_admitted_is_nearer_to_a_training_patient_than_patients_left_out_are(make_toy):
    stays = make_toy(1200, seed=6)
    fitted = Admission(stays.spec, *fit_admission(stays.rows(torch.arange(600))))
    first = states_of(stays).rows(torch.arange(1200) * 9)
    context, vitals, seen, age = draw(fitted, count=600)
    generated = first.rows(torch.arange(600)).replace(context=context, vitals=vitals, seen=seen, age=age)
    train, held, made = (
        known_columns(stays.spec, s) for s in (*(first.rows(r) for r in torch.arange(1200).split(600)), generated)
    )
    ours, theirs = nearest_distance(made, train), nearest_distance(held, train)
    assert ours.min() > 0 and np.quantile(ours, 0.05) > 0.8 * np.quantile(theirs, 0.05)
    assert 0.9 < np.median(ours) / np.median(theirs) < 1.1


def test_too_few_stays_are_refused(toy):
    with pytest.raises(ValueError, match="at least 5 stays, got 4"):
        fit_admission(toy.rows(torch.arange(4)))
