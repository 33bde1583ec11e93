"""What HIV therapy is judged by: the published benefit of interruption studies, and a score of virus and CD4 cells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec
from ..patient_models.hiv_reward import STEP_HOURS
from .rewards import Meaning

MILLION = 1e6


@dataclass(frozen=True)
class Benefit:
    """(1000 E - .1 V - 20000 e1^2 - 2000 e2^2) / 10^6 per five days, of what was measured and given.

    Ernst et al. (2006), IEEE CDC, after Adams et al. (2004); theirs reads the true effectors E and virus V. A few
    patients whose effectors take over earn a thousandfold: means are dominated by them.
    """

    effectors: int  # columns of features
    virus: int
    drugs: tuple[int, int]  # columns of e1 and e2

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward="per five days, 10^-3 x cytotoxic cells - 10^-7 x viral load - 0.02 e1^2 - 0.002 e2^2",
            text="Expected benefit over {span}, in millions of the published unit.",
            value_name="benefit",
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        first, second = (dose[:, column] for column in self.drugs)
        gain = 1e3 * after.vitals[:, self.effectors] - 0.1 * after.vitals[:, self.virus]
        benefit = (gain - 2e4 * first**2 - 2e3 * second**2) * (hours / STEP_HOURS) / MILLION
        return torch.where(after.outcome == IN_CARE, benefit, 0.0)


@dataclass(frozen=True)
class Control:
    """-.7 log10 V + .6 log10 CD4, and with V below detection 5 + .6 log10 CD4; averaged over the span.

    Parbhoo et al. (2017), AMIA Jt Summits Transl Sci Proc 2017:239, without their term for mutations, which the model
    has none of; the base of the logarithm is a choice.
    """

    virus: int  # columns of features
    cells: int
    detection: float  # copies/mL
    span: float  # hours to the horizon

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return Meaning(
            reward="averaged over time, 0.6 log10 CD4 - 0.7 log10 viral load, or 0.6 log10 CD4 + 5 once undetectable",
            text="Expected mean score of CD4 cells and virus over {span}.",
            value_name="control score",
        )

    def __call__(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState, over: Tensor) -> Tensor:
        """Reward (B,) float32."""
        virus = after.vitals[:, self.virus].clamp_min(self.detection)
        score = 0.6 * after.vitals[:, self.cells].clamp_min(1e-3).log10()
        score = score + torch.where(virus > self.detection, -0.7 * virus.log10(), 5.0)
        return torch.where(after.outcome == IN_CARE, score * hours / self.span, 0.0)


def hiv_benefit(spec: Spec, hours: float) -> Benefit:
    """The published benefit, whatever the hours to the horizon."""
    drugs = (spec.drug("reverse_transcriptase_inhibitor"), spec.drug("protease_inhibitor"))
    return Benefit(spec.feature("cytotoxic"), spec.feature("viral_load"), drugs)


def hiv_control(spec: Spec, hours: float) -> Control:
    """The score of virus and CD4 cells; the assay's detection limit is the feature's lowest value."""
    virus = spec.feature("viral_load")
    return Control(virus, spec.feature("cd4"), spec.features[virus].low, hours)
