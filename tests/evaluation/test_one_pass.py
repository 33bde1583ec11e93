"""Estimators that work block by block equal the plain loop over stays and decisions, and still refuse bad input."""

import math

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    doubly_robust,
    importance_sampling,
    per_decision_estimates,
    per_decision_importance_sampling,
    weighted_doubly_robust,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)
from posology.evaluation.off_policy.logged import block

DECISIONS, G = 4, 0.9
STAYS = 2 * block(DECISIONS) + 3
PLAIN = (
    importance_sampling,
    per_decision_importance_sampling,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)
ROBUST = (doubly_robust, weighted_doubly_robust)
RIGHT_BLOCKS = pytest.mark.parametrize("ragged", [False, True])


def cohort(ragged: bool) -> dict[str, np.ndarray]:
    """Stays that fill two blocks and begin a third; rubbish in the padding; some stays without any decision."""
    rng = np.random.default_rng(3)
    mask = np.arange(DECISIONS) < rng.integers(0, DECISIONS + 1, (STAYS, 1)) if ragged else np.ones((STAYS, 4), bool)
    ratio = rng.normal(0, 0.5, mask.shape)
    ratio[rng.random(mask.shape) < 0.02] = -np.inf
    data = {"reward": rng.normal(size=mask.shape), "log_ratio": ratio, "q": rng.normal(size=mask.shape)}
    for values in data.values():
        values[~mask] = rng.choice([np.nan, np.inf, 1e300], (~mask).sum())
    v = rng.normal(size=(STAYS, DECISIONS + 1))
    v[:, :-1][~mask] = np.nan
    v[:, -1] = np.nan
    return {**data, "mask": mask, "v": v}


def terms(data: dict[str, np.ndarray], factor: np.ndarray) -> dict[str, np.ndarray]:
    """Weight, reward and temporal difference of every decision, by a loop; an ended stay carries its weight."""
    found = {name: np.zeros((STAYS, DECISIONS)) for name in ("weight", "earned", "surprise")} | {"v": np.zeros(STAYS)}
    for i in range(STAYS):
        log = 0.0
        for t in range(DECISIONS):
            if data["mask"][i, t]:
                log += data["log_ratio"][i, t]
                following = t + 1 < DECISIONS and data["mask"][i, t + 1]
                found["earned"][i, t] = factor[i, t] * data["reward"][i, t]
                later = factor[i, t + 1] * data["v"][i, t + 1] if following else 0.0
                found["surprise"][i, t] = found["earned"][i, t] - factor[i, t] * data["q"][i, t] + later
            found["weight"][i, t] = math.exp(log)
        found["v"][i] = factor[i, 0] * data["v"][i, 0] if data["mask"][i, 0] else 0.0
    return found


@RIGHT_BLOCKS
@pytest.mark.parametrize("own_factors", [False, True])
def test_equal_the_loop(ragged: bool, own_factors: bool) -> None:
    data = cohort(ragged)
    hours = np.random.default_rng(4).exponential(size=data["mask"].shape).cumsum(1) if own_factors else np.arange(4.0)
    factor = np.broadcast_to(G**hours, data["mask"].shape)
    discount = np.where(data["mask"], factor, np.nan) if own_factors else G
    loop = terms(data, factor)
    weight, last = loop["weight"], loop["weight"][:, -1]
    returns = loop["earned"].sum(1)
    expected = {
        "importance_sampling": (last * returns).mean(),
        "per_decision_importance_sampling": (weight * loop["earned"]).sum(1).mean(),
        "weighted_importance_sampling": (last * returns).sum() / last.sum(),
        "weighted_per_decision_importance_sampling": ((weight * loop["earned"]).sum(0) / weight.sum(0)).sum(),
        "doubly_robust": (loop["v"] + (weight * loop["surprise"]).sum(1)).mean(),
        "weighted_doubly_robust": loop["v"].mean() + ((weight * loop["surprise"]).sum(0) / weight.sum(0)).sum(),
    }
    plain = {name: data[name] for name in ("reward", "log_ratio", "mask")}
    found = [f(**plain, discount=discount) for f in PLAIN] + [f(**data, discount=discount) for f in ROBUST]
    for one in found:
        assert one.value == pytest.approx(expected[one.name], rel=1e-10, abs=1e-12), one.name
        np.testing.assert_allclose(one.weight, weight, rtol=1e-12)
        assert one.effective_sample_sizes == pytest.approx(weight.sum(0) ** 2 / (weight**2).sum(0))
        assert one.effective_sample_size == pytest.approx(last.sum() ** 2 / (last**2).sum())


@RIGHT_BLOCKS
def test_together_they_are_what_they_are_alone(ragged: bool) -> None:
    data = cohort(ragged)
    found = per_decision_estimates(**data, discount=G)
    plain = per_decision_importance_sampling(*(data[n] for n in ("reward", "log_ratio", "mask")), discount=G)
    for alone in (plain, doubly_robust(**data, discount=G)):
        np.testing.assert_array_equal(found[alone.name].num, alone.num)
        np.testing.assert_array_equal(found[alone.name].den, alone.den)
        assert found[alone.name].judged() == alone.judged()


@RIGHT_BLOCKS
@pytest.mark.parametrize("discount", [G, 0.0])
@pytest.mark.parametrize(
    ("name", "bad"),
    [("reward", np.nan), ("reward", np.inf), ("log_ratio", np.nan), ("log_ratio", np.inf), ("q", np.nan),
     ("q", -np.inf), ("v", np.nan), ("v", np.inf)],
)  # fmt: skip
def test_one_bad_number_is_found_wherever_it_is(name: str, bad: float, discount: float, ragged: bool) -> None:
    for stay, decision in ((1, 0), (STAYS - 1, DECISIONS - 1)):
        data = cohort(ragged)
        data["mask"][stay] = True
        for values in (data["reward"], data["log_ratio"], data["q"], data["v"][:, :-1]):
            values[stay] = 0.0
        data["log_ratio"][stay] = -np.inf if name != "log_ratio" else 0.0  # even where it would count for nothing
        data[name][stay, decision] = bad
        plain = {name: data[name] for name in ("reward", "log_ratio", "mask")}
        message = f"{name}: got {bad} at stay {stay}, decision {decision}"
        for function in (*ROBUST, per_decision_estimates):
            with pytest.raises(ValueError, match=message):
                function(**data, discount=discount)
        for function in PLAIN if name in plain else ():
            with pytest.raises(ValueError, match=message):
                function(**plain, discount=discount)


@RIGHT_BLOCKS
def test_one_huge_weight_scales_all_down(ragged: bool) -> None:
    data = cohort(ragged)
    data["mask"][-1], data["log_ratio"][-1], data["v"][-1] = True, 180.0, 0.0  # e^720 at the end is no float
    data["reward"][-1], data["q"][-1] = 1.0, 0.0
    plain = {name: data[name] for name in ("reward", "log_ratio", "mask")}
    assert weighted_per_decision_importance_sampling(**plain).value == pytest.approx(4)  # its own rewards alone
    for one in (doubly_robust(**data), per_decision_importance_sampling(**plain)):
        num, den = one.num[:, 0], one.den[:, 0]
        assert np.isfinite(num).all() and (den == den[0]).all() and den[0] > 0
        assert np.log(num[-1]) - np.log(den[0]) == pytest.approx(720)
        assert one.value == np.inf


@pytest.mark.parametrize("function", PLAIN)
def test_arrays_that_cannot_be_written_to_or_run_backwards(function) -> None:
    data = cohort(False)
    plain = {name: data[name] for name in ("reward", "log_ratio", "mask")}
    expected = function(**plain, discount=G).value
    backwards = {name: np.ascontiguousarray(values[::-1])[::-1] for name, values in plain.items()}
    for values in (*plain.values(), *backwards.values()):
        values.setflags(write=False)
    columns = {name: np.asfortranarray(values) for name, values in plain.items()}
    for same in (plain, backwards, columns):
        assert function(**same, discount=G).value == pytest.approx(expected, rel=1e-12)
