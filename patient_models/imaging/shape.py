"""Shape features of a lesion: how large it is, and how far from a ball.

Definitions: IBSI section 3.1. Surface, volume and diameters are those of the mesh through the midpoints between
voxels inside and outside; axes are those of an ellipsoid with the voxels' second moments.
"""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from .marching_cubes import Array, surface

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


def shape_features(mask: Mask, spacing: Spacing) -> dict[str, float]:
    """Shape of a mask (Z, Y, X) with voxels of `spacing` (z, y, x) mm; lengths in mm, volumes in mm^3.

    `maximum_2d_diameter_slice` is the longest within a z plane (RECIST's diameter where slices are axial), `row` within
    an x plane, `column` within a y plane. ValueError for an empty mask.
    """
    if not mask.any():
        raise ValueError("the mask is empty: a lesion needs at least one voxel")
    triangles = surface(mask, spacing)
    volume, area = mesh_volume(triangles), surface_area(triangles)
    points = np.unique(triangles.reshape(-1, 3), axis=0)
    major, minor, least = _axes(mask, spacing)
    features = {
        "mesh_volume": volume,
        "voxel_volume": mask.sum() * np.prod(spacing),
        "surface_area": area,
        "surface_volume_ratio": area / volume,
        "sphericity": (36 * np.pi * volume**2) ** (1 / 3) / area,
        "maximum_3d_diameter": _longest(points),
        "maximum_2d_diameter_slice": _longest_within(points, 0),
        "maximum_2d_diameter_column": _longest_within(points, 1),
        "maximum_2d_diameter_row": _longest_within(points, 2),
        "major_axis_length": 4 * np.sqrt(major),
        "minor_axis_length": 4 * np.sqrt(minor),
        "least_axis_length": 4 * np.sqrt(least),
        "elongation": np.sqrt(minor / major) if major > 0 else np.nan,
        "flatness": np.sqrt(least / major) if major > 0 else np.nan,
    }
    return {name: float(value) for name, value in features.items()}


def mesh_volume(triangles: Array) -> float:
    """Volume enclosed by a closed mesh (F, 3, 3): the sum of signed tetrahedra."""
    a, b, c = np.moveaxis(triangles - triangles.reshape(-1, 3).mean(0), 1, 0)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def surface_area(triangles: Array) -> float:
    """Area of a mesh (F, 3, 3)."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _axes(mask: Mask, spacing: Spacing) -> tuple[float, float, float]:
    """Variances along the principal axes, largest first."""
    places = np.argwhere(mask) * np.asarray(spacing)
    centred = places - places.mean(0)
    least, minor, major = np.linalg.eigvalsh(centred.T @ centred / len(places)).clip(0)
    return float(major), float(minor), float(least)


def _longest(points: Array) -> float:
    """Greatest distance between two of the points (P, 3): of those on the convex hull, where one exists."""
    points = points[:, np.ptp(points, axis=0) > 0]
    if len(points) > 50 and points.shape[1] > 1:
        with contextlib.suppress(QhullError):  # all in one plane that is not an axis's
            points = points[ConvexHull(points).vertices]
    return float(pdist(points).max()) if len(points) > 1 else 0.0


def _longest_within(points: Array, axis: int) -> float:
    """Greatest distance of two points in the same plane across `axis`."""
    planes = np.unique(points[:, axis])
    return max(_longest(points[points[:, axis] == plane]) for plane in planes)
