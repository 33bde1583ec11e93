"""Real volumes against the values pyradiomics publishes for them."""

import os
from pathlib import Path

import numpy as np
import pytest
from posology.experiments.studies.radiomics import CLOSE, Comparison, compare
from posology.trajectories.images import read_image

MESH = {"mesh_volume", "surface_area", "surface_volume_ratio", "sphericity"}
FOLDER = Path(os.environ.get("POSOLOGY_DATA", "absent")) / "images" / "pyradiomics"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="POSOLOGY_DATA names no folder with images/pyradiomics")


@pytest.fixture(scope="module")
def rows() -> list[Comparison]:
    return compare(FOLDER)


def test_all_but_the_mesh_agrees_with_the_published_values(rows: list[Comparison]) -> None:
    others = [row for row in rows if row.feature not in MESH]
    assert len(others) > 1000
    assert max(row.relative for row in others) < 1e-9


def test_the_mesh_agrees_where_no_face_is_ambiguous(rows: list[Comparison]) -> None:
    mesh = [row for row in rows if row.feature in MESH]
    own_grid = [row for row in mesh if "2 mm" not in row.setting]
    assert len(mesh) == 2 * len(own_grid) == 24
    for row in own_grid:
        assert ambiguous_faces(row.case) or row.relative < 1e-9, row
    assert max(row.relative for row in mesh) < 0.005
    assert sum(row.relative > CLOSE for row in mesh) <= 12


def test_the_number_of_ambiguous_faces_is_as_the_page_says() -> None:
    assert [ambiguous_faces(case) for case in ("brain1", "brain2", "breast1")] == [7, 1, 0]


def ambiguous_faces(case: str) -> int:
    """Squares of four voxels in a plane with only two diagonal ones inside."""
    mask = np.pad(read_image(FOLDER / f"{case}_label.nrrd").values == 1, 1)
    count = 0
    for axis in range(3):
        m = np.moveaxis(mask, axis, 0)
        a, b, c, d = m[:, :-1, :-1], m[:, :-1, 1:], m[:, 1:, :-1], m[:, 1:, 1:]
        count += int(((a == d) & (b == c) & (a != b)).sum())
    return count
