"""Radiomic features: closed forms, invariances, bad input, and the values published for real volumes."""

import numpy as np
import pytest
from posology.patient_models.imaging.first_order import first_order
from posology.patient_models.imaging.gray_level_cooccurrence import cooccurrence, cooccurrence_features
from posology.patient_models.imaging.gray_level_run_length import run_length_features, run_lengths
from posology.patient_models.imaging.gray_levels import fixed_count, fixed_width
from posology.patient_models.imaging.marching_cubes import surface
from posology.patient_models.imaging.radiomics import radiomics
from posology.patient_models.imaging.shape import mesh_volume, shape_features, surface_area


def ball(radius: float, spacing: tuple[float, float, float]) -> np.ndarray:
    axes = [(np.arange(round(2.6 * radius / s)) - 1.3 * radius / s) * s for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return z**2 + y**2 + x**2 <= radius**2


def test_first_order_of_known_numbers() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    found = first_order(values, fixed_width(values, 2), 0.5, shift=1)
    assert found["energy"] == 4 + 9 + 16 + 25
    assert found["total_energy"] == 27
    assert found["variance"] == 1.25
    assert found["skewness"] == 0
    assert found["kurtosis"] == pytest.approx((2 * 1.5**4 + 2 * 0.5**4) / 4 / 1.25**2)
    assert found["entropy"] == pytest.approx(1.5)  # levels 1, 2, 2, 3
    assert found["uniformity"] == pytest.approx(3 / 8)


def test_a_flat_region_has_no_skewness() -> None:
    found = first_order(np.full(5, 7.0), np.ones(5, np.int64), 1.0)
    assert np.isnan(found["skewness"]) and np.isnan(found["kurtosis"])
    assert found["entropy"] == 0 and found["uniformity"] == 1


def test_levels() -> None:
    assert fixed_width(np.array([-1.0, 0.0, 24.9, 25.0]), 25).tolist() == [1, 2, 2, 3]
    assert fixed_count(np.array([0.0, 1.0, 2.0, 4.0]), 4).tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="positive bin width"):
        fixed_width(np.zeros(1), 0)
    with pytest.raises(ValueError, match="at least one bin"):
        fixed_count(np.zeros(1), 0)


def test_cooccurrence_of_a_row_of_voxels() -> None:
    levels = np.array([[[1, 2, 2]]])
    (matrix,) = cooccurrence(levels)  # only one of the 13 directions holds neighbours
    assert matrix.tolist() == [[0, 1], [1, 2]]
    found = cooccurrence_features(levels)
    assert found["contrast"] == pytest.approx(0.5)
    assert found["joint_energy"] == pytest.approx((1 + 1 + 4) / 16)
    assert found["joint_entropy"] == pytest.approx(1.5)
    assert found["id"] == pytest.approx(0.75)


def test_a_single_voxel_has_no_texture_of_neighbours() -> None:
    found = cooccurrence_features(np.ones((1, 1, 1), np.int64))
    assert all(np.isnan(value) for value in found.values())


def test_runs_of_a_row_of_voxels() -> None:
    levels = np.array([[[1, 1, 2, 0, 2]]])
    counts = run_lengths(levels)
    assert counts.shape == (13, 2, 5)
    along = counts[0]  # (0, 0, 1) comes first
    assert along.tolist() == [[0, 1, 0, 0, 0], [2, 0, 0, 0, 0]]
    assert counts.sum((1, 2)).tolist() == [3] + [4] * 12
    assert run_length_features(levels, in_plane=True)["run_percentage"] == pytest.approx((3 + 4 * 3) / 16)


def test_every_direction_counts_every_voxel_once() -> None:
    levels = np.random.default_rng(0).integers(0, 4, (5, 6, 7))
    counts = run_lengths(levels)
    assert (counts.sum(1) @ np.arange(1, 8) == (levels > 0).sum()).all()


def test_turning_the_volume_changes_no_texture() -> None:
    levels = np.random.default_rng(1).integers(0, 5, (6, 6, 6))
    turned = levels.transpose(2, 1, 0)[:, ::-1]
    for features in (cooccurrence_features, run_length_features):
        a, b = features(levels), features(turned.copy())
        assert a == pytest.approx(b, rel=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.7, 0.9)])
def test_every_mesh_is_closed(spacing: tuple[float, float, float]) -> None:
    """Each edge belongs to triangles that run along it once in either sense, whatever the mask."""
    generator = np.random.default_rng(2)
    for density in (0.2, 0.5, 0.8):
        triangles = surface(generator.random((7, 8, 9)) < density, spacing)
        _, number = np.unique(np.round(triangles.reshape(-1, 3), 6), axis=0, return_inverse=True)
        balance: dict[tuple[int, int], int] = {}
        for a, b, c in number.reshape(-1, 3).tolist():
            for u, v in ((a, b), (b, c), (c, a)):
                balance[min(u, v), max(u, v)] = balance.get((min(u, v), max(u, v)), 0) + (1 if u < v else -1)
        assert set(balance.values()) == {0}


def test_the_volume_of_a_mesh_is_positive_and_does_not_move_with_it() -> None:
    mask = np.random.default_rng(3).random((6, 6, 6)) < 0.5
    here, there = np.pad(mask, ((0, 9), (0, 9), (0, 9))), np.pad(mask, ((9, 0), (9, 0), (9, 0)))
    volumes = [mesh_volume(surface(m, (1.0, 1.0, 1.0))) for m in (here, there)]
    assert volumes[0] > 0
    assert volumes[0] == pytest.approx(volumes[1], rel=1e-12)


def test_a_single_voxel_is_an_octahedron() -> None:
    found = shape_features(np.ones((1, 1, 1), bool), (1.0, 1.0, 1.0))
    assert found["mesh_volume"] == pytest.approx(1 / 6)
    assert found["surface_area"] == pytest.approx(np.sqrt(3))
    assert found["maximum_3d_diameter"] == pytest.approx(1)
    assert np.isnan(found["elongation"])


def test_a_ball_is_nearly_round_and_converges() -> None:
    found = shape_features(ball(10, (0.5, 0.5, 0.5)), (0.5, 0.5, 0.5))
    assert found["mesh_volume"] == pytest.approx(4 / 3 * np.pi * 1000, rel=0.005)
    assert found["maximum_3d_diameter"] == pytest.approx(20.5)  # half a voxel beyond the centres at either end
    assert found["elongation"] == pytest.approx(1, abs=0.005)
    assert 0.9 < found["sphericity"] < 1  # voxel steps add to the surface, in every resolution


def test_surface_of_a_flat_plate_counts_both_sides() -> None:
    plate = np.zeros((3, 42, 42), bool)
    plate[1, 1:-1, 1:-1] = True
    area = surface_area(surface(plate, (0.001, 1.0, 1.0)))
    assert area == pytest.approx(2 * (39**2 + 4 * 39 * 0.5 + 4 * 0.5 * 0.25), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.zeros((3, 3, 3), bool)}, "empty"),
        ({"mask": np.ones((3, 3), bool)}, "one shape"),
        ({"mask": np.ones((3, 3, 3))}, "boolean mask"),
        ({"spacing": (1.0, 0.0, 1.0)}, "positive spacings"),
        ({"image": np.full((3, 3, 3), np.nan)}, "not finite"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    good = {"image": np.zeros((3, 3, 3)), "mask": np.ones((3, 3, 3), bool), "spacing": (1.0, 1.0, 1.0)}
    with pytest.raises(ValueError, match=message):
        radiomics(**{**good, **change})  # type: ignore[arg-type]


def test_intensities_outside_the_mask_do_not_matter() -> None:
    generator = np.random.default_rng(4)
    image, mask = generator.normal(0, 50, (5, 5, 5)), generator.random((5, 5, 5)) < 0.6
    other = np.where(mask, image, np.nan)
    assert radiomics(image, mask, (1.0, 1.0, 1.0)) == radiomics(other, mask, (1.0, 1.0, 1.0))
