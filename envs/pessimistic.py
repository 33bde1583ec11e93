"""Treatments around treatments."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..contracts import Constraint, LearnedModel, PatientModel, PatientState, Spec, Step, Treatment


@dataclass(frozen=True)
class Pessimistic:
    """Every decision costs `penalty` times the learned patient's disagreement with itself about what comes next.

    A policy trained on it stays where the ensemble agrees (MOPO: Yu et al. 2020, arXiv 2005.13239, eq. 7). `reward`
    stays the treatment's own, so that rewards of logged stays and values are never penalised: only `step` is.
    TypeError where the patient is not a learned model.
    """

    treatment: Treatment
    penalty: float

    def __post_init__(self) -> None:
        if not isinstance(self.treatment.patient, LearnedModel):
            raise TypeError(f"pessimism needs a learned patient, got {type(self.treatment.patient).__name__}")
        if not self.penalty >= 0:
            raise ValueError(f"expected a penalty of at least 0, got {self.penalty}")

    @property
    def model(self) -> LearnedModel:
        """The patient, which knows where it is unsure."""
        patient = self.treatment.patient
        assert isinstance(patient, LearnedModel)
        return patient

    def step(self, state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        """The treatment's step with the penalised reward."""
        step = self.treatment.step(state, action, hours, noise)
        return Step(
            state=step.state,
            reward=step.reward - self.penalty * self.model.disagreement(state, step.dose, hours),
            terminated=step.terminated,
            truncated=step.truncated,
            costs=step.costs,
            dose=step.dose,
            hours=step.hours,
        )

    @property
    def patient(self) -> PatientModel:
        return self.treatment.patient

    @property
    def spec(self) -> Spec:
        return self.treatment.spec

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return self.treatment.constraints

    @property
    def actions(self) -> int | None:
        return self.treatment.actions

    @property
    def observation_dim(self) -> int:
        return self.treatment.observation_dim

    @property
    def horizon(self) -> int:
        return self.treatment.horizon

    @property
    def noise_dim(self) -> int:
        return self.treatment.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        return self.treatment.admit_noise_dim

    @property
    def bootstrap_at_horizon(self) -> bool:
        return self.treatment.bootstrap_at_horizon

    def admit(self, noise: Tensor) -> PatientState:
        return self.treatment.admit(noise)

    def observe(self, state: PatientState) -> Tensor:
        return self.treatment.observe(state)

    def allowed(self, state: PatientState) -> Tensor | None:
        return self.treatment.allowed(state)

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        return self.treatment.encode(state, dose)

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        return self.treatment.decode(state, action)

    def interval(self, state: PatientState, action: Tensor) -> Tensor:
        return self.treatment.interval(state, action)

    def reward(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        return self.treatment.reward(before, dose, hours, after)
