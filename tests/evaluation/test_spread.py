"""How stays differ: closed forms where stays are simulated, and what the page shows and hides of both."""

import numpy as np
import pytest
from posology.evaluation.page import page
from posology.evaluation.page_spread import mortality_figure, spread_rows, tail_figure
from posology.evaluation.spread import deviation, quantile, share


def test_numbers_of_a_known_sample():
    returns = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    assert quantile(returns, 0.5)[0] == 50 and quantile(returns, 0.1)[0] == 10 and quantile(returns, 0.999)[0] == 100
    low, high = quantile(returns, 0.5)[1:]
    assert (low, high) == (40, 61)  # of 100 coins, 40 to 60 heads are the middle 95 %
    assert deviation(returns)[0] == pytest.approx(returns.std())
    assert deviation(np.ones(20)) == (0, 0, 0) and deviation(np.array([0.0, 1.0] * 50))[1:] == pytest.approx((0.5, 0.5))
    assert share(np.arange(10) < 3) == pytest.approx((0.3, 0.0667, 0.6525), abs=1e-4)
    assert share(np.zeros(10, bool))[1:] == pytest.approx((0, 0.3085), abs=1e-4) and share(np.ones(10, bool))[2] == 1


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, truth = np.random.default_rng(1), {"tenth": np.log(1 / 0.9), "deviation": 1.0, "share": 0.1}
    held = dict.fromkeys(truth, 0)
    for _ in range(400):
        drawn = rng.exponential(size=500)
        found = {"tenth": quantile(drawn, 0.1), "deviation": deviation(drawn), "share": share(drawn <= truth["tenth"])}
        for name, (_, low, high) in found.items():
            held[name] += low <= truth[name] <= high
    assert all(held[name] >= 0.88 * 400 for name in held), held  # the fourth moment of an exponential is known badly
    assert held["tenth"] >= 0.93 * 400 and held["share"] >= 0.95 * 400


def test_deaths_are_shown_from_records_only_where_the_weights_allow(examples):
    report = examples.known_truth()
    figure = mortality_figure(report)
    cells = {row.label: row.cells for row in figure.rows}
    assert figure.caption == "Deaths in care within 72 h" and figure.columns == ("true", "from records")
    assert cells["PPO, penalty 2"] == ("12.4\u202f%", "not evaluable")
    assert cells["Clinicians"] == ("18.8\u202f%", "19.4\u202f%")
    silent = {**report.distributions, "ppo": report.distributions["ppo"].model_copy(update={"estimated": {}})}
    again = mortality_figure(report.model_copy(update={"distributions": silent}))
    assert again.rows == figure.rows, "no weight left: not evaluable as well"
    few = {
        name: d.model_copy(update={"estimated": {m: e for m, e in d.estimated.items() if m != "mortality"}})
        for name, d in silent.items()
    }
    bare = mortality_figure(report.model_copy(update={"distributions": few}))
    assert {row.cells[1] for row in bare.rows} == {"–"}, "too few deaths on record: nothing was asked of the weights"
    hidden = report.distributions["ppo"].estimated["mortality"].model_copy(update={"value": 0.98765, "high": 0.4321})
    told = report.distributions["ppo"]
    told = told.model_copy(update={"estimated": {**told.estimated, "mortality": hidden}})
    changed = report.model_copy(update={"distributions": {**report.distributions, "ppo": told}})
    assert page(changed) == page(report) and "0.98765" in changed.model_dump_json()
    assert tail_figure(report) is None and not spread_rows(report), "survival has no range of its own"


def test_a_value_with_a_range_of_its_own_shows_it_and_every_hidden_part_stays_hidden(examples):
    report = examples.time_in_range()
    assert mortality_figure(report) is None
    rows = {row.label: [cell.text for cell in row.cells] for row in spread_rows(report)}
    subs = {row.label: [cell.sub for cell in row.cells] for row in spread_rows(report)}
    assert rows["Clinicians"][0] == "61.0\u202f%" and subs["Clinicians"][0] == "28.0 to 82.0\u202f%"
    assert rows["PPO, penalty 2"][:2] == ["not evaluable"] * 2 and rows["PPO, penalty 2"][2] == "69.8\u202f%"
    assert subs["30 % of PPO, penalty 2"][0] == "", "one end of the range is not evaluable"
    worst = {row.label: row.cells for row in tail_figure(report).rows}
    assert worst["Clinicians"] == ("21.0\u202f%", "20.0\u202f%") and worst["Random doses"][1] == "not evaluable"
    text = page(report)
    assert 'id="spread"' in text and 'href="#spread"' in text
    few = {name: d.model_copy(update={"estimated": {}, "simulated": {}}) for name, d in report.distributions.items()}
    assert "too few do to tell more" in page(report.model_copy(update={"distributions": few}))
    assert 'id="spread"' not in page(report.model_copy(update={"distributions": {}}))
