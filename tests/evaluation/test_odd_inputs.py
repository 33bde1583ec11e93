"""What a sceptic tries: one patient, half precision, foreign layouts, odd discounts. Right numbers, or none."""

import numpy as np
import pytest
import torch
from posology.evaluation.off_policy import ESTIMATORS, bootstrap_intervals

RNG = np.random.default_rng(0)
N, T = 300, 5
MASK = np.arange(T) < RNG.integers(1, T + 1, (N, 1))
GIVEN = {
    "reward": np.where(MASK, RNG.normal(size=(N, T)), 0),
    "log_ratio": np.where(MASK, RNG.normal(0, 0.3, (N, T)), 0),
    "mask": MASK,
    "discount": 0.9,
    "q": np.where(MASK, RNG.normal(size=(N, T)), 0),
    "v": np.hstack((np.where(MASK, RNG.normal(size=(N, T)), 0), np.zeros((N, 1)))),
    "cluster": None,
}
NAMES = [name for name, e in ESTIMATORS.items() if set(e.needs) <= set(GIVEN)]


def estimated(name: str, **changed):
    given = GIVEN | changed
    return ESTIMATORS[name].function(**{need: given[need] for need in ESTIMATORS[name].needs})


@pytest.mark.parametrize("name", NAMES)
def test_one_patient_does_not_tell_how_patients_differ(name: str) -> None:
    """All stays are of one patient, or there is one stay: an interval without width would look certain."""
    patients = np.zeros(N, np.int64)
    lone = {key: value[:1] if isinstance(value, np.ndarray) else value for key, value in GIVEN.items()}
    for found, cluster in ((estimated(name), patients), (estimated(name, **lone), None)):
        for method in ("bootstrap", "normal", "bca"):
            assert found.interval(method=method, draws=20, cluster=cluster) == (-np.inf, np.inf)
        assert np.isnan(found.resampled(20, cluster=cluster)).all()
    assert bootstrap_intervals({"a": estimated(name, **lone)}, draws=20) == {"a": (-np.inf, np.inf)}
    two = np.arange(N) % 2
    low, high = estimated(name).interval(draws=50, cluster=two)
    assert np.isfinite([low, high]).all() and low < high


@pytest.mark.parametrize("name", NAMES)
def test_precision_and_layout_do_not_matter(name: str) -> None:
    expected = estimated(name).value
    arrays = {key: value for key, value in GIVEN.items() if isinstance(value, np.ndarray)}
    tensors = {key: torch.as_tensor(value) for key, value in arrays.items()}

    def cast(kind: torch.dtype) -> dict[str, torch.Tensor]:
        return {key: x if x.dtype == torch.bool else x.to(kind) for key, x in tensors.items()}

    assert estimated(name, **tensors).value == pytest.approx(expected, abs=1e-12)
    assert estimated(name, **cast(torch.float32)).value == pytest.approx(expected, abs=1e-5)
    half = cast(torch.bfloat16)
    as_numbers = {key: x.double().numpy() if x.dtype != torch.bool else x.numpy() for key, x in half.items()}
    assert estimated(name, **half).value == pytest.approx(estimated(name, **as_numbers).value, abs=1e-12)
    turned = {key: np.asfortranarray(value) for key, value in arrays.items()}
    strided = {key: np.repeat(value, 2, 1)[:, ::2] for key, value in arrays.items()}
    for other in (turned, strided, {"mask": MASK.astype(float)}, {"mask": MASK.astype(np.uint8)}):
        assert estimated(name, **other).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "direct_method"])
def test_what_lies_in_the_padding_is_never_read(name: str) -> None:
    expected = estimated(name).value
    for rubbish in (np.nan, np.inf, -np.inf, 1e9):
        padded = {key: np.where(MASK, GIVEN[key], rubbish) for key in ("reward", "log_ratio", "q")}
        factors = np.where(MASK, 0.9 ** np.arange(T), rubbish)
        assert estimated(name, **padded, discount=factors).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_discounts_of_nothing_and_beyond_one(name: str) -> None:
    """At discount 0 the first reward is all; beyond 1 factors and number agree."""
    growing = estimated(name, discount=1.5).value
    assert growing == pytest.approx(estimated(name, discount=np.broadcast_to(1.5 ** np.arange(T), (N, T))).value)
    first = np.where(np.arange(T) == 0, GIVEN["reward"], 0)
    assert estimated(name, discount=0.0).value == pytest.approx(estimated(name, reward=first, discount=0.0).value)


@pytest.mark.parametrize("columns", [(), (3,)], ids=["states", "features"])
def test_density_ratios_of_one_patient_have_no_interval(columns: tuple[int, ...]) -> None:
    state = RNG.integers(0, 3, (N, T)) if not columns else RNG.normal(size=(N, T, *columns))
    given = GIVEN["reward"][:1], GIVEN["log_ratio"][:1], MASK[:1], state[:1]
    found = ESTIMATORS["marginalized_importance_sampling"].function(*given)
    for method in ("bootstrap", "bca", "normal"):
        assert found.interval(method=method, draws=20) == (-np.inf, np.inf)
    assert found.judged().label == "not evaluable"


def test_doses_without_a_drug_column_are_told_what_is_missing() -> None:
    dose = np.zeros((N, T))
    with pytest.raises(ValueError, match=r"dose: expected shape \(300, 5, columns\)"):
        ESTIMATORS["kernel_importance_sampling"].function(
            GIVEN["reward"], dose, dose[..., None], GIVEN["log_ratio"], MASK, bandwidth=0.3
        )
