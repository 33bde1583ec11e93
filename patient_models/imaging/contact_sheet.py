"""Many scans on one sheet, with the outlines of their lesions: for looking, the check that no number replaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from .render import WINDOW

OUTLINES = ("#ff9f1c", "#2ec4b6")  # of the first mask and of a second one


def contact_sheet(
    path: Path,
    hu: Tensor,
    mask: Tensor | None = None,
    *,
    other: Tensor | None = None,
    titles: Sequence[str] = (),
    columns: int = 8,
    window: tuple[float, float] = WINDOW,
    dots: int = 100,
) -> Path:
    """Write pictures hu (B, H, W) as a PNG, the outline of mask and of another mask (B, H, W) over each; the path."""
    rows = -(-len(hu) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.55 * columns, 1.7 * rows), squeeze=False)
    figure.patch.set_facecolor("white")
    for number, axis in enumerate(axes.flat):
        axis.axis("off")
        if number >= len(hu):
            continue
        axis.imshow(hu[number].numpy(), cmap="gray", vmin=window[0], vmax=window[1], interpolation="bicubic")
        for shown, colour in zip((mask, other), OUTLINES, strict=True):
            if shown is not None and bool(shown[number].any()):
                axis.contour(shown[number].numpy().astype(np.float64), [0.5], colors=colour, linewidths=0.9)
        if number < len(titles):
            axis.set_title(titles[number], fontsize=7, pad=2)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.96 if titles else 0.995, 0.03, 0.13 if titles else 0.03)
    partial = path.with_suffix(".tmp.png")
    figure.savefig(partial, dpi=dots)
    plt.close(figure)
    partial.replace(path)
    return path
