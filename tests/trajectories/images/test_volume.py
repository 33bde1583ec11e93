"""Resampling, windows and cuts of volumes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from posology.trajectories.images import ImageError, Volume, fit, resample, window
from posology.trajectories.images.volume import oriented


@given(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
def test_any_order_of_axes_comes_back_to_the_patients_own(order: list[int], signs: tuple[float, float, float]) -> None:
    values = np.arange(24).reshape(2, 3, 4)
    axes = np.zeros((3, 3))
    for axis, world in enumerate((2, 1, 0)):  # z, y, x
        axes[world, axis] = 1.0 + axis
    stored, columns = values.transpose(order), axes[:, order]
    for axis, sign in enumerate(signs):
        if sign < 0:
            stored, columns[:, axis] = np.flip(stored, axis), -columns[:, axis]
    found = oriented(stored, columns)
    np.testing.assert_array_equal(found.values, values)
    assert found.spacing == (1.0, 2.0, 3.0)


def test_resampling_keeps_a_constant_the_extent_and_a_slope() -> None:
    flat = resample(Volume(np.full((4, 6, 8), 7, np.float32), (2, 1, 1)), (1, 2, 1))
    assert flat.values.shape == (8, 3, 8)
    np.testing.assert_allclose(flat.values, 7)
    slope = Volume(np.broadcast_to(np.arange(10, dtype=np.float32), (1, 1, 10)).copy(), (1, 1, 1))
    fine = resample(slope, (1, 1, 0.5)).values[0, 0]
    np.testing.assert_allclose(np.diff(fine[2:-2]), 0.5, atol=1e-5)  # centres of half voxels, between the borders
    assert fine[2:-2].mean() == pytest.approx(4.5)


def test_a_window_maps_its_edges_to_zero_and_one() -> None:
    assert window(np.array([-1000.0, -160, 40, 240, 999]), 40, 400).tolist() == [0, 0, 0.5, 1, 1]
    with pytest.raises(ValueError, match="positive window width"):
        window(np.zeros(1), 0, 0)


def test_the_middle_is_cut_or_padded() -> None:
    values = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    assert fit(values, (1, 1, 3)).tolist() == [[[1, 2, 3]]]
    assert fit(values, (1, 3, 7), -1).tolist() == [[[-1] * 7, [-1, 0, 1, 2, 3, 4, -1], [-1] * 7]]


def test_bad_volumes_are_refused() -> None:
    for values, spacing in ((np.zeros((0, 2, 2)), (1, 1, 1)), (np.zeros((2, 2)), (1, 1, 1))):
        with pytest.raises(ImageError, match="at least one pixel"):
            Volume(values.astype(np.float32), spacing)
    with pytest.raises(ImageError, match="positive spacings"):
        Volume(np.zeros((1, 1, 1), np.float32), (1, -1, 1))
