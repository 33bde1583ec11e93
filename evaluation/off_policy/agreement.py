"""Whether weights and a critic agree: what shows a wrong behaviour policy where it matters.

Weighted importance sampling less weighted doubly robust estimates sum_t w_{t-1} (rho_t q - v), whose expectation is 0
under the right behaviour policy whatever the critic. Under a wrong one it is the error that the weights make, as far as
the critic foresees outcomes. A blend's critic takes the clinicians' part from what they did, so that no error of the
fitted policy enters both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .estimates import Estimate
from .logged import Numbers
from .weighted_doubly_robust import weighted_doubly_robust
from .weighted_importance_sampling import weighted_importance_sampling


def with_agreement(
    estimates: Mapping[str, Estimate],
    reward: Numbers,
    log_ratio: Numbers,
    mask: Numbers,
    critic: tuple[Numbers, Numbers] | None,
    discount: float | Numbers,
) -> dict[str, Estimate]:
    """The estimates, each told by how much weights and critic `(q, v)` differ; without a critic, that nothing checks.

    Those without weights are left as they are. Arrays as in `weighted_doubly_robust`.
    """
    gap = None
    if critic is not None:
        weighted = weighted_importance_sampling(reward, log_ratio, mask, discount=discount)
        gap = weighted.minus(weighted_doubly_robust(reward, log_ratio, mask, *critic, discount=discount))
    return {
        name: replace(one, gap=None if gap is None else replace(gap, cluster=one.cluster), unchecked=gap is None)
        if one.weights
        else one
        for name, one in estimates.items()
    }
