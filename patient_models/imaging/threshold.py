"""Segmentation without learning, the baseline of the encoder: soft tissue where the lung ought to be."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

AIRY, SOLID = -500.0, -300.0  # HU: below it lung, above it tissue
REACH = 14  # pixels that closing bridges: the best of 4, 9 and 14


def threshold_mask(hu: Tensor) -> Tensor:
    """Lesions (B, H, W) bool in slices (B, H, W): the largest solid part of the closed lung that outlives an opening.

    The lung is what is airy and not joined to the air outside. What touches the wall is lost unless closing finds it.
    """
    return torch.from_numpy(np.stack([_lesion(picture) for picture in hu.double().numpy()]))


def _lesion(hu: np.ndarray) -> np.ndarray:
    smooth = ndimage.median_filter(hu, 3)
    airy = smooth < AIRY
    parts, count = ndimage.label(airy)
    edge = np.unique(np.concatenate((parts[0], parts[-1], parts[:, 0], parts[:, -1])))
    sizes = ndimage.sum_labels(airy, parts, np.arange(1, count + 1))
    inner = [n for n in range(1, count + 1) if n not in edge and sizes[n - 1] > 40]
    lung = np.isin(parts, inner)
    cross = ndimage.generate_binary_structure(2, 1)
    disc = ndimage.iterate_structure(cross, REACH)
    closed = ndimage.binary_closing(np.pad(lung, REACH), disc)[REACH:-REACH, REACH:-REACH]
    solid = ndimage.binary_opening(ndimage.binary_fill_holes(closed) & (smooth > SOLID), cross)
    parts, count = ndimage.label(solid)
    if not count:
        return np.zeros(hu.shape, bool)
    sizes = ndimage.sum_labels(solid, parts, np.arange(1, count + 1))
    return np.asarray(parts == 1 + int(sizes.argmax()))
