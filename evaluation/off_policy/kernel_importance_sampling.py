"""Kernel importance sampling: a deterministic dose is judged by the stays that came near it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from scipy import special

from .estimates import Estimate
from .logged import Array, Numbers, array, inside, mask_of
from .per_decision_importance_sampling import per_decision_importance_sampling
from .weighted_per_decision_importance_sampling import weighted_per_decision_importance_sampling

Kernel = Literal["gaussian", "epanechnikov", "boxcar"]
DoseRange = tuple[Numbers, Numbers]  # lowest and highest dose, a number or (U,)

_WIDER = np.sqrt(2.0)  # twice the variance of the kernel, so twice the bias


def kernel_importance_sampling(
    reward: Numbers,
    dose: Numbers,
    target_dose: Numbers,
    log_behavior: Numbers,
    mask: Numbers,
    *,
    bandwidth: float | Numbers,
    discount: float | Numbers = 1.0,
    kernel: Kernel = "gaussian",
    dose_range: DoseRange | None = None,
    self_normalized: bool = True,
) -> Estimate:
    """Per-decision importance sampling with the ratio K_h(dose - target dose) / behaviour density at each decision.

    A policy that gives one dose has no density, so K_h, a kernel of `bandwidth` h in units of the dose, spreads it.
    Kallus & Zhou (2018), equation 4, at every decision, their self-normalised form by default. Doses (N, T, U),
    log density `log_behavior` (N, T), the rest as in `logged`; a bandwidth or end of range is a number or (U,).
    `dose_range` (low, high) gives the kernel back what it loses beyond the doses that can be given. The result names
    kernel and bandwidth; its `bias` is c h^2, estimated from how the value moves under twice the variance. Doses at
    which the behaviour has an atom (no drug at all) have no density and need the discrete estimators.
    """
    decided = mask_of(mask)
    given, wanted = (inside(n, x, decided, columns=True) for n, x in (("dose", dose), ("target_dose", target_dose)))
    if given.shape != wanted.shape:
        raise ValueError(f"target_dose: expected shape {given.shape} like dose, got {wanted.shape}")
    density = inside("log_behavior", log_behavior, decided)
    width = _width(bandwidth, given.shape[2])
    family = weighted_per_decision_importance_sampling if self_normalized else per_decision_importance_sampling

    def at(width: Array) -> Estimate:
        ratio = log_kernel(given, wanted, width, kernel, dose_range) - density
        return family(reward, ratio, decided, discount=discount)

    found, wider = at(width), at(_WIDER * width).value
    bias = wider - found.value
    note = f"{kernel} kernel of bandwidth {', '.join(f'{h:.4g}' for h in width)}"
    return replace(found, name="kernel_importance_sampling", bias=bias if np.isfinite(bias) else None, notes=(note,))


def log_kernel(dose: Array, target: Array, width: Array, kernel: Kernel, dose_range: DoseRange | None = None) -> Array:
    """Log density (N, T) of doses (N, T, U) under a product kernel of `width` (U,) around the target doses."""
    if kernel not in get_args(Kernel):
        raise ValueError(f"kernel: expected one of {', '.join(get_args(Kernel))}, got {kernel!r}")
    density, cumulated = _KERNELS[kernel]
    with np.errstate(divide="ignore"):
        log = np.log(density((dose - target) / width) / width)
        if dose_range is not None:
            low, high = (array(end) for end in dose_range)
            if (low >= high).any():
                raise ValueError(f"dose_range: expected low < high, got {dose_range}")
            log -= np.log(cumulated((high - target) / width) - cumulated((low - target) / width))
    return np.asarray(log.sum(2))


Curve = Callable[[Array], Array]


def _parabola(u: Array) -> Array:
    return np.asarray(0.75 * (1 - np.clip(u, -1, 1) ** 2))


def _under_parabola(u: Array) -> Array:
    inner = np.clip(u, -1, 1)
    return np.asarray(0.5 + 0.75 * (inner - inner**3 / 3))


_KERNELS: dict[Kernel, tuple[Curve, Curve]] = {  # density and distribution function
    "gaussian": (lambda u: np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi), special.ndtr),
    "epanechnikov": (_parabola, _under_parabola),
    "boxcar": (lambda u: np.where(np.abs(u) <= 1, 0.5, 0.0), lambda u: (np.clip(u, -1, 1) + 1) / 2),
}


def _width(bandwidth: float | Numbers, drugs: int) -> Array:
    width = array(bandwidth)
    if width.shape not in ((), (1,), (drugs,)) or not ((width > 0) & np.isfinite(width)).all():
        raise ValueError(f"bandwidth: expected a positive number or {drugs} of them, got {bandwidth}")
    return np.broadcast_to(width, (drugs,))
