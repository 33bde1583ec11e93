"""Bounds under unobserved confounding, checked where it is known: `python -m posology.experiments.studies.sensitivity`.

The first decision of septic stays is made by a clinician who also follows a hidden severity; all later ones by one who
does not. A policy that gives less norepinephrine at the first decision and leaves the others alone is evaluated from
records that show no hidden severity, and so is a blend of a share of it into the clinicians' first decision. How strong
the hidden choice truly was is known from the true propensities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from ...agents.behavior import BehaviorConfig, fit_behavior
from ...contracts import Clinician, Decisions, DiscretePolicy, PatientState, Treatment
from ...evaluation.off_policy.sensitivity import GAMMAS, Sensitivity, marginal_sensitivity
from ...trajectories.levels import levels_of_action
from ...trajectories.rollout import rollout
from ..sources import clinician, true_treatment
from ..stages import write_text
from .candidates import Tilted

SOURCE, DRUG, SHIFT, BLEND = "sepsis", "norepinephrine", -2.0, 0.2
KNOBS = (0.0, 1.0, 2.0, 4.0, 8.0)
STAYS = 20_000  # half to fit on, half to estimate on
TRUE_STAYS = 20_000
COHORT, TRUTH = 7 * 10**9, 9 * 10**9  # seeds of the first patients
TYPICAL = 0.95  # share of first decisions whose hidden odds ratio the true strength covers


@dataclass(frozen=True)
class FirstThen:
    """One clinician's first dose, another's afterwards."""

    first: Clinician
    then: Clinician

    @property
    def noise_dim(self) -> int:
        """Both read the same columns."""
        return max(self.first.noise_dim, self.then.noise_dim)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Mean rates (B, U)."""
        a, b = (who.dose(state, noise[:, : who.noise_dim]) for who in (self.first, self.then))
        return torch.where(_admitted(state)[:, None], a, b)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return torch.where(_admitted(state), self.first.log_prob(state, dose), self.then.log_prob(state, dose))


@dataclass(frozen=True)
class AsClinician:
    """A policy on observations, acting on states."""

    treatment: Treatment
    policy: DiscretePolicy

    @property
    def noise_dim(self) -> int:
        """The policy's own."""
        return self.policy.noise_dim

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Mean rates (B, U)."""
        return self.treatment.decode(state, self.policy.act(self.treatment.observe(state), None, noise))

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return self.policy.log_prob(self.treatment.observe(state), None, self.treatment.encode(state, dose))


@dataclass(frozen=True)
class Check:
    """What the bounds say under one setting of the knob, and what is true."""

    knob: float
    strength: float  # hidden odds ratio that covers 95 % of first decisions
    truth: float
    clinicians: float  # true value
    bounds: Sensitivity
    blend: Sensitivity  # of BLEND of the policy, what is the clinicians' own not in doubt
    blind: Sensitivity  # the same blend as if it were

    @property
    def true_blend(self) -> float:
        """Only the first decision differs, so values mix as the decisions do."""
        return BLEND * self.truth + (1 - BLEND) * self.clinicians


def check(knob: float, stays: int = STAYS, true_stays: int = TRUE_STAYS) -> Check:
    """Estimate, bounds and truth for one setting of the hidden-confounding knob."""
    treatment = true_treatment(SOURCE)
    later = clinician(SOURCE, 1.0, 0.0)
    acting = FirstThen(clinician(SOURCE, 1.0, knob), later)
    logged = rollout(treatment, acting, stays, seed=COHORT).decisions
    half, fit = stays // 2, stays * 2 // 5
    first = _first_only(logged)
    nominal = fit_behavior(
        first.rows(torch.arange(fit)),
        first.rows(torch.arange(fit, half)),
        BehaviorConfig(actions=treatment.spec.actions, kind="network"),
        seed=0,
    )
    levels = levels_of_action(treatment.spec, torch.arange(treatment.spec.actions))[
        :, treatment.spec.drug(DRUG)
    ].float()
    target = Tilted(nominal, SHIFT * levels / levels.max())
    held_out = logged.rows(torch.arange(half, stays))
    bounds, strength = _bounds(held_out, target, nominal)
    policy, blend, blind = bounds
    truth = rollout(treatment, FirstThen(AsClinician(treatment, target), later), true_stays, seed=TRUTH).returns
    base = rollout(treatment, acting, true_stays, seed=TRUTH).returns
    value, usual = (float(returns.double().mean()) for returns in (truth, base))
    return Check(knob, strength, value, usual, policy, blend, blind)


def needed(bounds: Sensitivity, truth: float) -> str:
    """Least Gamma whose 95 % interval holds the truth."""
    intervals = bounds.intervals(draws=400)
    holding = [g for g, (low, high) in zip(bounds.gamma, intervals, strict=True) if low <= truth <= high]
    return f"{min(holding):g}" if holding else f"over {GAMMAS[-1]:g}"


def _bounds(
    held_out: Decisions, target: DiscretePolicy, nominal: DiscretePolicy
) -> tuple[tuple[Sensitivity, Sensitivity, Sensitivity], float]:
    """Bounds of the policy, of the blend, and of the blend taken for any policy; and the true strength."""
    obs, action = held_out.obs[:, 0], held_out.action[:, 0]
    assert held_out.log_behavior is not None
    log_b = np.zeros(held_out.mask.shape)
    log_ratio = np.zeros(held_out.mask.shape)
    log_b[:, 0] = nominal.log_prob(obs, None, action).double().numpy()
    log_ratio[:, 0] = target.log_prob(obs, None, action).double().numpy() - log_b[:, 0]
    true_b = held_out.log_behavior[:, 0].double().numpy()
    odds = np.abs(_log_odds(true_b) - _log_odds(log_b[:, 0]))
    mixed = np.where(held_out.mask.numpy(), np.logaddexp(np.log(BLEND) + log_ratio, np.log1p(-BLEND)), 0.0)
    mixed[:, 1:] = 0.0
    policy, blend, blind = (
        marginal_sensitivity(held_out.reward, ratio, log_b, held_out.mask, gammas=GAMMAS, kept=kept)
        for ratio, kept in ((log_ratio, 0.0), (mixed, 1 - BLEND), (mixed, 0.0))
    )
    return (policy, blend, blind), float(np.exp(np.quantile(odds, TYPICAL)))


def _log_odds(log_p: np.ndarray) -> np.ndarray:
    return np.asarray(log_p - np.log1p(-np.exp(np.minimum(log_p, -1e-9))))


def _first_only(decisions: Decisions) -> Decisions:
    mask = decisions.mask.clone()
    mask[:, 1:] = False
    return decisions.replace(mask=mask)


def _admitted(state: PatientState) -> Tensor:
    return state.hours < 1e-3


def page(checks: list[Check]) -> str:
    """The page in docs."""
    lines = [
        "# Unobserved confounding: bounds checked where it is known",
        "",
        "Made by `python -m posology.experiments.studies.sensitivity`. Septic patients; at the first decision the",
        f"clinician follows a hidden severity as well, as strongly as the knob says; later never. {STAYS // 2:,} stays",
        "to fit the behaviour policy on, which sees no hidden severity, as many to estimate on. The policy gives less",
        f"norepinephrine at the first decision (log odds {SHIFT:g} at the highest level); the clinician does the rest.",
        "Bounds: marginal sensitivity model at the first decision, weighted importance sampling, 95 % bootstrap.",
        "",
        "| knob | true strength | true value | estimate | error | tipping Γ | least Γ whose interval holds the truth |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in checks:
        estimate = c.bounds.lower[0].value
        lines.append(
            f"| {c.knob:g} | {c.strength:.2f} | {c.truth:.4f} | {estimate:.4f} | {estimate - c.truth:+.4f} "
            f"| {_factor(c.bounds.tipping)} | {needed(c.bounds, c.truth)} |"
        )
    lines += ["", "Interval at each Γ:", "", "| knob | " + " | ".join(f"Γ = {g:g}" for g in GAMMAS) + " |"]
    lines.append("|---|" + "---|" * len(GAMMAS))
    for c in checks:
        cells = (f"{low:.3f} to {high:.3f}" for low, high in c.bounds.intervals(draws=400))
        lines.append(f"| {c.knob:g} | " + " | ".join(cells) + " |")
    lines += _blends(checks)
    lines += ["", _READING]
    return "\n".join(lines) + "\n"


def _blends(checks: list[Check]) -> list[str]:
    two = GAMMAS.index(2.0)
    lines = [
        "",
        f"A blend that takes {BLEND:.0%} of first decisions from the policy and leaves the others to the clinicians:",
        "",
        "| knob | true value | estimate | bounds at Γ = 2 | the same, all in doubt | tipping Γ "
        "| the same, all in doubt | least Γ whose interval holds the truth |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for c in checks:
        spans = (f"{b.lower[two].value:.4f} to {b.upper[two].value:.4f}" for b in (c.blend, c.blind))
        tips = (_factor(b.tipping) for b in (c.blend, c.blind))
        cells = (f"{c.true_blend:.4f}", f"{c.blend.lower[0].value:.4f}", *spans, *tips, needed(c.blend, c.true_blend))
        lines.append(f"| {c.knob:g} | " + " | ".join(cells) + " |")
    return lines


def _factor(gamma: float | None) -> str:
    return "none" if gamma is None else f"{gamma:.2f}"


_READING = """*True strength* is the factor by which the odds of what was given differ from those of the fitted
propensity, at most, in 95 % of first decisions; part of it is the fit's own error, which is all there is where the knob
is 0. Bounds hold the truth once Γ is as large as the confounding; the tipping Γ says from which strength on the claimed
advantage could be no advantage. Whoever reads it must judge from outside the data whether a hidden cause of that
strength is plausible: the data cannot tell. In a blend the clinicians go on acting on what they see, so only the share
that is the policy's is in doubt: the bounds are that much closer, and hold the truth all the same."""


def main(
    out: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("docs/sensitivity.md"),
    stays: Annotated[int, typer.Option(help="Stays per setting.")] = STAYS,
) -> None:
    """Check the bounds at every setting of the knob and write the page."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, page([check(knob, stays) for knob in KNOBS]))
    typer.echo(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
