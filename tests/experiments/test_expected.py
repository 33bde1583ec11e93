"""What a run whose truth is a table says of its weights: exact for who goes by the state, and told on the page."""

from types import SimpleNamespace

import pytest
import torch
from posology.agents.baselines import no_treatment, random_policy
from posology.contracts import Blend
from posology.experiments.expected import expected_reports, state_table
from posology.experiments.judged import Judged
from posology.experiments.sources import clinician, source, true_treatment
from posology.patient_models.tabular_weights import weight_moments


class ByTheClock:
    """A policy over levels that changes with the hour."""

    noise_dim = 1

    def probs(self, obs, allowed):
        first = torch.sigmoid(obs[:, -2])[:, None]  # days
        probs = torch.cat([first, ((1 - first) / 24).expand(-1, 24)], 1)
        probs = torch.where(allowed, probs, 0.0)
        return probs / probs.sum(1, keepdim=True)

    def log_prob(self, obs, allowed, action):
        raise AssertionError("not asked")

    act = log_prob


@pytest.fixture(scope="module")
def icu():
    return true_treatment("icu_sepsis", horizon=8), clinician("icu_sepsis", 1.0, 0.0)


def judged(name, who, kind="baseline"):
    return Judged(name, name, kind, "", None, None, who)


def asked(truth, *everyone):
    bench = SimpleNamespace(truth=truth)
    bench.of = lambda actor: bench
    return expected_reports(list(everyone), bench)


def test_who_goes_by_the_state_alone_is_known_exactly(icu):
    truth, expert = icu
    nothing = no_treatment(25)
    found = asked(
        truth,
        judged("clinician", expert, "clinician"),
        judged("none", nothing),
        judged("clock", ByTheClock(), "penalised"),
        judged("blend", Blend(nothing, expert, 0.3), "blend"),
    )
    assert all(found[name].exact for name in ("clinician", "none", "blend")) and not found["clock"].exact
    assert found["clinician"].shares == pytest.approx([1.0] * 8) and found["clinician"].bounded
    table = state_table(Blend(nothing, expert, 0.3), truth, truth.patient)
    for t in (1, 4, 8):
        moments = weight_moments(truth.patient, table, expert.table, horizon=t)
        assert found["blend"].shares[t - 1] == pytest.approx(moments.effective_share, rel=1e-6)
    assert found["none"].bounded is False and found["none"].shares[-1] < found["blend"].shares[-1] / 100
    assert list(found["clock"].shares) == sorted(found["clock"].shares, reverse=True) and found["clock"].error > 0


def test_only_a_table_has_it(icu):
    assert asked(true_treatment("sepsis"), judged("clinician", clinician("sepsis", 1.0, 0.0), "clinician")) == {}
    assert asked(None, judged("clinician", None, "clinician")) == {}
    fitted = judged("fitted_clinician", no_treatment(25), "behavior")
    assert set(asked(icu[0], judged("clinician", icu[1], "clinician"), judged("a", None), fitted)) == {"clinician"}


def test_rules_and_random_doses_are_tables(icu):
    truth = icu[0]
    for who in (random_policy(25), *(rule.acting() for rule in source("icu_sepsis").rules)):
        table = state_table(who, truth, truth.patient)
        assert table is not None and torch.allclose(table.sum(1), torch.ones(1).double(), atol=1e-5)
    assert state_table(ByTheClock(), truth, truth.patient) is None
