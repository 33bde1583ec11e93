"""The surface of a mask: a watertight mesh through the midpoints of the edges that leave it.

Lorensen & Cline 1987 (Comput Graph 21:163). The table of 256 cases is built here from one rule: around each face of a
cube, every run of corners outside the mask is cut off by one segment. Both cubes at a face cut it the same way: what
touches only diagonally is joined, and no hole is left. A polygon of more than three corners is split into the fewest
planes, then the least area.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Triangle = tuple[int, int, int]  # numbers of edges
CORNERS = tuple(itertools.product((0, 1), repeat=3))  # (z, y, x)
EDGES = tuple(
    (a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(np.subtract(CORNERS[a], CORNERS[b])).sum() == 1
)
MIDPOINTS = np.array([(np.array(CORNERS[a]) + CORNERS[b]) / 2 for a, b in EDGES])


def surface(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Array:
    """Triangles (F, 3 corners, 3 coordinates z y x) in mm, counterclockwise seen from outside the mask (Z, Y, X).

    `spacing` (z, y, x) in mm; the centre of voxel (0, 0, 0) is the origin.
    """
    rim = np.pad(mask, 1)
    depth, height, width = rim.shape
    case = np.zeros((depth - 1, height - 1, width - 1), dtype=np.uint8)
    for number, (z, y, x) in enumerate(CORNERS):
        case |= rim[z : depth - 1 + z, y : height - 1 + y, x : width - 1 + x].astype(np.uint8) << number
    parts = [np.zeros((0, 3, 3))]
    for kind in np.unique(case):
        shape = MIDPOINTS[np.array(_triangles(int(kind)), dtype=np.int64).reshape(-1, 3)]
        cubes = np.argwhere(case == kind) - 1.0
        parts.append((cubes[:, None, None] + shape[None]).reshape(-1, 3, 3))
    triangles: Array = np.concatenate(parts) * np.asarray(spacing)
    return triangles


@functools.cache
def _triangles(case: int) -> tuple[Triangle, ...]:
    """Triangles of the cube whose corner i is inside where bit i of `case` is set."""
    return tuple(triangle for loop in _loops(case) for triangle in _flattest(loop))


def _loops(case: int) -> list[list[int]]:
    """Closed polygons of cut edges, each edge once."""
    follows: dict[int, int] = {}
    for face in _faces():
        outside = [not case >> corner & 1 for corner in face]
        for k in range(4):
            if outside[k] and not outside[k - 1]:  # a run of corners outside begins
                end = next(m for m in range(k + 1, k + 4) if not outside[m % 4]) % 4
                follows[_edge(face, k)] = _edge(face, end)
    loops = []
    while follows:
        first = current = next(iter(follows))
        loop = []
        while current in follows:
            loop.append(current)
            current = follows.pop(current)
        assert current == first
        loops.append(loop)
    return loops


@functools.cache
def _faces() -> tuple[tuple[int, ...], ...]:
    """The four corners of each face, clockwise seen from outside in axes (z, y, x)."""
    faces = []
    for axis, side in itertools.product(range(3), (0, 1)):
        square = [(0, 0), (1, 0), (1, 1), (0, 1)] if side == 0 else [(0, 0), (0, 1), (1, 1), (1, 0)]
        corners = []
        for u, v in square:
            corner = [0, 0, 0]
            corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, u, v
            corners.append(CORNERS.index((corner[0], corner[1], corner[2])))
        faces.append(tuple(corners))
    return tuple(faces)


def _edge(face: tuple[int, ...], k: int) -> int:
    """The edge between corners k - 1 and k of a face."""
    a, b = sorted((face[k - 1], face[k]))
    return EDGES.index((a, b))


def _flattest(loop: list[int]) -> tuple[Triangle, ...]:
    return min(_triangulations(tuple(loop)), key=_cost)


def _triangulations(loop: tuple[int, ...]) -> list[tuple[Triangle, ...]]:
    """Every way to split a polygon into triangles of its corners."""
    if len(loop) < 3:
        return [()]
    found = []
    for k in range(1, len(loop) - 1):
        for left, right in itertools.product(_triangulations(loop[: k + 1]), _triangulations(loop[k:])):
            found.append((*left, (loop[0], loop[k], loop[-1]), *right))
    return found


def _cost(triangles: tuple[Triangle, ...]) -> tuple[int, float]:
    """Number of distinct planes, and area in a unit cube."""
    planes, area = set(), 0.0
    for triangle in triangles:
        a, b, c = MIDPOINTS[list(triangle)]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        unit = normal / length
        planes.add((*np.round(unit, 6).tolist(), round(float(unit @ a), 6)))
        area += length / 2
    return len(planes), round(area, 9)
