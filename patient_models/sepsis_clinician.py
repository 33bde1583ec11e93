"""The clinician of the built-in sepsis cohort: level doses with exact and never degenerate propensities.

The rule is that of `SpecifiedClinician` from the dose last given; what varies between decisions is redrawn at each
and integrated out. Confounding multiplies the dose, so it changes whom more is given, not how well it is titrated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState
from ..trajectories.levels import dose_of_action, levels_of_dose
from .sepsis_fluids import CAUTIOUS, fluid_level_probs
from .sepsis_memory import recall
from .sepsis_protocols import titrate
from .sepsis_spec import SPEC

LACTATE, SOFA = SPEC.feature("lactate"), SPEC.feature("sofa")
NOREPINEPHRINE = SPEC.drug("norepinephrine")
LEAST = 0.015  # ug/kg/min, below which none is given
PER_SEVERITY = 0.20  # log dose per SD of severity at confounding 1


@dataclass(frozen=True)
class SepsisClinician:
    """Norepinephrine = rule x exp(.2 (confounding z + hidden_confounding h) + N(0, spread)), fluid as documented.

    z is the severity that the record shows, h the one that it does not, both in SD and centred where raising the dose
    of the sicker and lowering that of the others cancel in mortality: quality hardly moves. Then each drug moves to a
    neighbouring level with probability `slip`, and every level keeps `floor`: no propensity is degenerate.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    target: float = 65.0  # mmHg
    gain: float = 0.008  # ug/kg/min per mmHg
    spread: float = 0.3  # SD of the logarithm of the norepinephrine dose from decision to decision
    slip: float = 0.1  # probability that a drug moves to a neighbouring level
    floor: float = 0.002  # probability that every level of a drug keeps

    def __post_init__(self) -> None:
        if not (self.spread > 0 and 0 <= self.slip < 1 and 0 < self.floor < 0.2):
            raise ValueError(f"expected spread > 0, slip in 0..1 and floor in 0..0.2, both exclusive, got {self}")

    @property
    def noise_dim(self) -> int:
        return 2

    def rule(self, state: PatientState) -> Tensor:
        """The norepinephrine rate (B,) ug/kg/min that severity and chance multiply."""
        return titrate(state, self.target, self.gain)

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds to the logarithm of the norepinephrine rate (B,)."""
        shown, hidden = shown_severity(state), hidden_severity(state)
        return PER_SEVERITY * (self.confounding * shown + self.hidden_confounding * hidden)

    def level_probs(self, state: PatientState) -> tuple[Tensor, Tensor]:
        """Probabilities of the fluid levels (B, 5) and, independently, of the norepinephrine levels (B, 5)."""
        fluid = fluid_level_probs(state, torch.full_like(state.hours, CAUTIOUS))
        middle = self.rule(state).clamp_min(1e-9).log() + self.shift(state)
        cuts = torch.tensor((LEAST, *SPEC.drugs[NOREPINEPHRINE].cuts[1:]), device=middle.device).log()
        above = ndtr((middle[:, None] - cuts) / self.spread)
        none = torch.zeros_like(above[:, :1])
        norepinephrine = torch.diff(1 - above, prepend=none, append=none + 1)
        return self._blurred(fluid), self._blurred(norepinephrine)

    def probs(self, state: PatientState) -> Tensor:
        """Probability of each action (B, 25)."""
        fluid, norepinephrine = self.level_probs(state)
        return (fluid[:, :, None] * norepinephrine[:, None, :]).flatten(1)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2) from noise (B, 2), one column per drug."""
        fluid, norepinephrine = (_draw(p, z) for p, z in zip(self.level_probs(state), noise.unbind(1), strict=True))
        return dose_of_action(SPEC, fluid * len(SPEC.drugs[NOREPINEPHRINE].levels) + norepinephrine)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the levels of `dose` (B, 2)."""
        levels = levels_of_dose(SPEC, dose)
        fluid, norepinephrine = self.level_probs(state)
        return fluid.gather(1, levels[:, :1]).log()[:, 0] + norepinephrine.gather(1, levels[:, 1:]).log()[:, 0]

    def _blurred(self, probs: Tensor) -> Tensor:
        """Level probabilities (B, L) after slips to a neighbouring level, and with a floor under each."""
        levels = probs.shape[1]
        slip = torch.zeros(levels, levels)
        for level in range(levels):
            neighbours = [n for n in (level - 1, level + 1) if 0 <= n < levels]
            slip[level, level] = 1 - self.slip
            slip[level, neighbours] = self.slip / len(neighbours)
        kernel = (1 - levels * self.floor) * slip + self.floor
        return probs @ kernel.to(probs.device)


def shown_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record shows, in SD of lactate and SOFA-like score, above that of a typical death."""
    lactate = (state.vitals[:, LACTATE].log() - 0.70) / 0.50
    organs = (state.vitals[:, SOFA] - 6.0) / 3.0
    return ((lactate + organs) / 1.6).clamp(-2, 2) - 1.2


def hidden_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record does not show, in SD of the infection, around what is usual at that hour."""
    expected = 0.9 * torch.exp(-0.008 * state.hours)
    return ((recall(state.memory, "infection") - expected) / 0.2).clamp(-2, 2) - 0.4


def _draw(probs: Tensor, noise: Tensor) -> Tensor:
    """Level (B,) int64 by the inverse distribution function of probs (B, L) at Phi(noise)."""
    cumulated = probs.cumsum(1)[:, :-1].contiguous()
    exceeded: Tensor = ndtr(noise)[:, None] > cumulated
    return exceeded.sum(1)
