"""First-order radiomic features: the distribution of intensities in a region, whatever their places.

Definitions: Image Biomarker Standardisation Initiative (IBSI) reference manual, sections 3.3 and 3.4
(Zwanenburg et al. 2020, Radiology 295:328). Kurtosis is not reduced by 3, as in pyradiomics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def first_order(
    values: Array, levels: NDArray[np.int64], voxel_volume: float, *, shift: float = 0.0
) -> dict[str, float]:
    """Features of the intensities `values` (V,) of a region, whose discretised `levels` (V,) start at 1.

    `voxel_volume` in mm^3. `shift` is added to the intensities before energies and the root mean square are taken, so
    that negative intensities (Hounsfield units) do not cancel. ValueError for an empty region.
    """
    if not len(values):
        raise ValueError("the region is empty: a mask needs at least one voxel")
    mean, centred, shifted = values.mean(), values - values.mean(), values + shift
    variance = (centred**2).mean()
    low, first, median, third, high = np.percentile(values, (10, 25, 50, 75, 90))
    robust = values[(values >= low) & (values <= high)]
    share = np.bincount(levels) / len(levels)
    share = share[share > 0]
    spread = variance if variance > 0 else np.nan  # a flat region has no shape of distribution
    features = {
        "energy": (shifted**2).sum(),
        "total_energy": (shifted**2).sum() * voxel_volume,
        "entropy": -(share * np.log2(share)).sum(),
        "uniformity": (share**2).sum(),
        "minimum": values.min(),
        "maximum": values.max(),
        "range": np.ptp(values),
        "mean": mean,
        "median": median,
        "10percentile": low,
        "90percentile": high,
        "interquartile_range": third - first,
        "mean_absolute_deviation": np.abs(centred).mean(),
        "robust_mean_absolute_deviation": np.abs(robust - robust.mean()).mean(),
        "root_mean_squared": np.sqrt((shifted**2).mean()),
        "variance": variance,
        "skewness": (centred**3).mean() / spread**1.5,
        "kurtosis": (centred**4).mean() / spread**2,
    }
    return {name: float(value) for name, value in features.items()}
