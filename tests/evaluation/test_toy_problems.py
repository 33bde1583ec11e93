"""Published toy problems and closed forms: ModelWin, ModelFail, the graph, Gaussian doses, linear-quadratic control."""

import numpy as np
import pytest
from posology.evaluation.off_policy import (
    direct_method,
    doubly_robust,
    importance_sampling,
    kernel_importance_sampling,
    magic,
    marginalized_importance_sampling,
    per_decision_importance_sampling,
    weighted_doubly_robust,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)

RNG = np.random.default_rng
FAMILY = {
    "importance_sampling": importance_sampling,
    "per_decision_importance_sampling": per_decision_importance_sampling,
    "weighted_importance_sampling": weighted_importance_sampling,
    "weighted_per_decision_importance_sampling": weighted_per_decision_importance_sampling,
}
family = pytest.mark.parametrize("name", FAMILY)


def model_fail(stays: int, seed: int) -> dict[str, np.ndarray]:
    """Thomas & Brunskill (2016), figure 7: one action is followed by +1 and the other by -1, but states look alike.

    Behaviour takes the first with .88, the target with .12. A model that cannot tell the states apart sees a mean
    reward of .76 after either action.
    """
    rng = RNG(seed)
    first = rng.random(stays) < 0.88
    reward = np.stack((np.zeros(stays), np.where(first, 1.0, -1.0)), 1)
    ratio = np.stack((np.where(first, 0.12 / 0.88, 0.88 / 0.12), np.ones(stays)), 1)
    seen = reward[:, 1].mean()
    return {
        "reward": reward,
        "log_ratio": np.log(ratio),
        "mask": np.ones(reward.shape, bool),
        "q": np.full(reward.shape, seen),
        "v": np.column_stack((np.full((stays, 2), seen), np.zeros(stays))),
    }


def model_win(stays: int, seed: int, steps: int = 20) -> dict[str, np.ndarray]:
    """Thomas & Brunskill (2016), figure 8: from s1 action 1 leads to s2 (+1) with .4 and s3 (-1) with .6, action 2 the
    other way round; from both back to s1. Behaviour takes action 1 with .73, the target with .27. The model is right.
    """
    rng = RNG(seed)
    reward, log_ratio = np.zeros((stays, steps)), np.zeros((stays, steps))
    q, v = np.zeros((stays, steps)), np.zeros((stays, steps + 1))
    left = steps // 2 * WIN
    for t in range(0, steps, 2):
        first = rng.random(stays) < 0.73
        up = rng.random(stays) < np.where(first, 0.4, 0.6)
        reward[:, t] = np.where(up, 1.0, -1.0)
        log_ratio[:, t] = np.log(np.where(first, 0.27 / 0.73, 0.73 / 0.27))
        v[:, t] = left
        q[:, t] = np.where(first, -0.2, 0.2) + left - WIN
        left -= WIN
        v[:, t + 1] = q[:, t + 1] = left
    return {"reward": reward, "log_ratio": log_ratio, "mask": np.ones(reward.shape, bool), "q": q, "v": v}


WIN = 0.27 * -0.2 + 0.73 * 0.2  # expected reward of each visit to s1 under the target


def rmse(make, estimator, truth: float, stays: int = 256, seeds: int = 40) -> float:
    return float(np.sqrt(np.mean([(estimator(**make(stays, s)).value - truth) ** 2 for s in range(seeds)])))


def test_model_fail_the_weights_win() -> None:
    truth = -0.76
    model = rmse(model_fail, lambda v, **_: direct_method(v), truth)
    for estimator in (doubly_robust, weighted_doubly_robust, magic):
        assert rmse(model_fail, estimator, truth) < 0.4 < 1.4 < model


def test_model_win_the_model_wins_and_magic_follows_it() -> None:
    truth = 10 * WIN
    model = rmse(model_win, lambda v, **_: direct_method(v), truth)
    robust = rmse(model_win, weighted_doubly_robust, truth)
    plain = rmse(
        model_win, lambda reward, log_ratio, mask, **_: weighted_importance_sampling(reward, log_ratio, mask), truth
    )
    blended = rmse(model_win, magic, truth)
    assert model < 1e-9 < blended < 0.4 * robust and robust < 0.7 * plain


def graph(slip: float, dense: bool, horizon: int = 4) -> tuple[dict[str, np.ndarray], float, np.ndarray]:
    """The graph of Voloshin et al. (2019), "Empirical study of off-policy evaluation": two rails of `horizon` nodes.

    Action 0 leads to the upper rail (+1), action 1 to the lower (-1), or with `slip` the other way round; `dense`
    pays at every node, else only at the last. Behaviour .5, target .8 for action 0. Every path, each with its
    probability under the behaviour policy as a whole number of sixty-fourths and more.
    """
    rows, weights = [], []
    for path in np.ndindex(*(2, 2) * horizon):
        action, slipped = np.array(path[::2]), np.array(path[1::2])
        chance = np.prod(np.where(slipped, slip, 1 - slip)) * 0.5**horizon
        if chance > 0:
            worth = np.where(action ^ slipped, -1.0, 1.0)
            reward = worth if dense else np.where(np.arange(horizon) == horizon - 1, worth, 0.0)
            rows.append((action, reward, np.concatenate(([0], 1 + (action ^ slipped)))))
            weights.append(chance)
    times = np.round(np.array(weights) / min(weights)).astype(int)
    action, reward, state = (np.repeat(np.array(part), times, 0) for part in zip(*rows, strict=True))
    ratio = np.where(action == 0, 0.8, 0.2) / 0.5
    mean = 0.6 * (1 - 2 * slip)
    data = {"reward": reward, "log_ratio": np.log(ratio), "mask": np.ones(reward.shape, bool)}
    return data, mean * (horizon if dense else 1), state[:, :-1]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("slip", [0.0, 0.25])
@family
def test_the_graph_is_exact(name: str, slip: float, dense: bool) -> None:
    data, truth, _ = graph(slip, dense)
    found = FAMILY[name](**data)
    assert found.value == pytest.approx(truth)
    assert found.mean_weight == pytest.approx(1)
    share = (0.8**2 + 0.2**2) / 0.5  # mean squared ratio of one decision
    assert found.effective_sample_size / len(found) == pytest.approx(share**-4)
    assert found.effective_sample_sizes / len(found) == pytest.approx(share ** -np.arange(1.0, 5))


@pytest.mark.parametrize("dense", [True, False])
def test_the_graph_by_its_states(dense: bool) -> None:
    data, truth, state = graph(0.25, dense)
    found = marginalized_importance_sampling(**data, state=state)
    assert found.value == pytest.approx(truth)
    # a state keeps less weight than the course that led to it
    assert found.effective_sample_sizes.min() > 2 * weighted_importance_sampling(**data).effective_sample_size


@pytest.mark.parametrize("dense", [True, False])
def test_variances_on_the_graph_have_closed_forms(dense: bool) -> None:
    """Var(sum of w r): dense and per-decision, from E[rho^2] = 1.36, E[rho^2 r^2] and the mean m of rho r."""
    data, truth, _ = graph(0.25, dense)
    second, mean = (0.8**2 + 0.2**2) / 0.5, 0.3
    if dense:
        # E[(sum_t w_t r_t)^2] = sum_t second^(t+1) + 2 sum_{s<t} second^s E[rho^2 r] m
        crossed = 0.5 * (0.8**2 - 0.2**2) / 0.25 * 0.5  # E[rho^2 r], slips halving the mean
        moment = sum(second ** (t + 1) for t in range(4))
        moment += 2 * sum(second**s * crossed * mean for s in range(4) for t in range(s + 1, 4))
        found = per_decision_importance_sampling(**data)
    else:
        moment = second**4  # E[w^2 r^2], r = 1 or -1
        found = importance_sampling(**data)
    terms = found.num[:, 0] / found.den[:, 0]
    assert terms.var() == pytest.approx(moment - truth**2)
    low, high = found.interval(method="delta")
    error = np.sqrt((moment - truth**2) / (len(terms) - 1))
    assert (high - low) / 2 == pytest.approx(1.959964 * error)


@pytest.mark.parametrize("far", [0.2, 0.5])
def test_gaussian_doses(far: float) -> None:
    """Behaviour N(0, 1), target N(far, 1), reward = dose: value far, E[w^2] = exp(far^2), all with standard errors."""
    rng, size = RNG(0), 200_000
    dose = rng.normal(size=(size, 1))
    found = importance_sampling(dose, far * dose - far**2 / 2, np.ones(dose.shape, bool))
    # w^2 tilts the dose to N(2 far, 1): E[w^2 x^2] = exp(far^2) (1 + 4 far^2)
    variance = np.exp(far**2) * (1 + 4 * far**2) - far**2
    assert found.value == pytest.approx(far, abs=4 * (variance / size) ** 0.5)
    assert (found.num[:, 0] / found.den[:, 0]).var() == pytest.approx(variance, rel=0.05)
    assert found.effective_sample_size / size == pytest.approx(np.exp(-(far**2)), rel=0.02)


@pytest.mark.parametrize("width", [0.2, 0.5])
def test_kernel_estimates_have_the_bias_and_value_of_the_smoothed_policy(width: float) -> None:
    """Doses N(0, 1), target dose .5, reward -(x - 1)^2: smoothed by h the value is -(.25 + h^2), a bias of -h^2."""
    rng, size = RNG(1), 400_000
    dose = rng.normal(size=(size, 1, 1))
    reward = -((dose[..., 0] - 1) ** 2)
    density = -0.5 * dose[..., 0] ** 2 - 0.5 * np.log(2 * np.pi)
    arguments = (reward, dose, np.full_like(dose, 0.5), density, np.ones(reward.shape, bool))
    found = kernel_importance_sampling(*arguments, bandwidth=width, self_normalized=False)
    assert found.value == pytest.approx(-(0.25 + width**2), abs=0.02)
    assert found.bias == pytest.approx(-(width**2), abs=0.02)
    # E[w^2] = 1 / (2 h sqrt(pi)) times E[1 / density] under N(.5, h^2 / 2)
    tilt = 1 / (1 - width**2 / 2)
    expected = np.sqrt(2 * np.pi) / (2 * width * np.sqrt(np.pi)) * np.sqrt(tilt) * np.exp(0.125 * tilt)
    assert size / found.effective_sample_size == pytest.approx(expected, rel=0.05)


def linear_quadratic(stays: int, gain: float, seed: int | None) -> tuple[dict[str, np.ndarray], float]:
    """x' = .9 x + .5 a + N(0, .3^2), reward -(x^2 + .1 a^2), four decisions from x = 1; behaviour N(-.5 x, .4^2).

    The target doses N(gain x, .4^2); its value is exact by the quadratic recursion v_t(x) = -(p x^2 + c).
    """
    rng = RNG(seed)
    p = c = 0.0
    curves = []
    for _ in range(4):
        closed = 0.9 + 0.5 * gain
        p, c = (1 + 0.1 * gain**2 + p * closed**2, 0.1 * 0.16 + c + p * (0.25 * 0.16 + 0.09))
        curves.append((p, c))
    x = np.ones(stays)
    data = {key: np.zeros((stays, 4)) for key in ("reward", "log_ratio", "q")} | {"v": np.zeros((stays, 5))}
    for t in range(4):
        p, c = curves[3 - t]
        after, rest = curves[2 - t] if t < 3 else (0.0, 0.0)
        a = -0.5 * x + 0.4 * rng.normal(size=stays)
        data["v"][:, t] = -(p * x**2 + c)
        data["reward"][:, t] = -(x**2 + 0.1 * a**2)
        data["q"][:, t] = data["reward"][:, t] - after * ((0.9 * x + 0.5 * a) ** 2 + 0.09) - rest
        data["log_ratio"][:, t] = ((a + 0.5 * x) ** 2 - (a - gain * x) ** 2) / (2 * 0.16)
        x = 0.9 * x + 0.5 * a + 0.3 * rng.normal(size=stays)
    data["mask"] = np.ones((stays, 4), bool)
    return data, -(curves[3][0] + curves[3][1])


@pytest.mark.parametrize("gain", [-0.7, -0.3])
def test_a_linear_quadratic_patient(gain: float) -> None:
    data, truth = linear_quadratic(40_000, gain, 0)
    plain = {name: data[name] for name in ("reward", "log_ratio", "mask")}
    for name, estimator in FAMILY.items():
        low, high = estimator(**plain).interval(0.999, method="delta")
        assert low <= truth <= high and high - low < 0.4, name
    assert direct_method(data["v"]).value == pytest.approx(truth)
    for estimator in (doubly_robust, weighted_doubly_robust):
        low, high = estimator(**data).interval(0.999, method="delta")
        assert low <= truth <= high and high - low < 0.1
    assert magic(**data).value == pytest.approx(truth, abs=0.02)
