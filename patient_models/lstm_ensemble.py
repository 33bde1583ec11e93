"""The learned patient: an ensemble of LSTMs that knows where its members disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState, Spec, Trajectories
from ..trajectories.carry import valid_states
from .dose_range import refuse_outside
from .familiarity import Familiarity
from .learned_files import load_parts, save_parts
from .learned_heads import LOG_RATE, Forecast, forecast, risks
from .learned_inputs import BOUND, states_of
from .learned_setting import Setting
from .learned_step import drawn, step_noise
from .lstm_cells import Cells, Weights

KIND = "lstm"
_HAZARD = 4.0  # how much a unit of SD in the risk of death counts beside one in a scaled value
_FAMILIARITY = "familiarity."  # how its arrays are named on disk
_UNDRAWN = -1.0  # no member chosen yet


@dataclass(frozen=True, eq=False)
class LSTMEnsemble:
    """A `LearnedModel` and a `BeliefModel`: K members, of which each row follows one, drawn at its first step.

    Memory (B, 1 + 2 K H) holds the row's member, then each member's hidden state and cell: all read along, so that
    their disagreement is known at every step.
    """

    setting: Setting
    weights: Weights
    familiarity: Familiarity
    _on: dict[torch.device, tuple[Cells, Familiarity]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def spec(self) -> Spec:
        return self.setting.spec

    @property
    def members(self) -> int:
        """K, the number of LSTMs."""
        return len(self.weights.recurrent)

    @property
    def noise_dim(self) -> int:
        return step_noise(self.spec) + 1

    @property
    def admit_noise_dim(self) -> int:
        return self.setting.admission.noise_dim

    @property
    def fixed_hours(self) -> float | None:
        return self.setting.fixed_hours

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """New patients, like the first states of the training stays; ValueError for a wrong number of columns."""
        return self.setting.admit(context, noise, self._blank(noise))

    @torch.no_grad()
    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients later, as each row's member has it; noise (B, 2 D + 3). ValueError outside a drug's range."""
        refuse_outside(self.spec, dose, hours, self.setting.longest_hours)
        raw, memory = self._advance(state, dose, hours)
        pick = (ndtr(noise[:, -1:]) * self.members).floor().clamp(0, self.members - 1)
        member = torch.where(state.memory[:, :1] < 0, pick, state.memory[:, :1])
        own = raw.gather(1, member.long()[:, :, None].expand(-1, 1, raw.shape[2]))[:, 0]
        after = drawn(self.setting.layout, state, own, (dose, hours), noise)
        memory[:, :1] = member
        return after.replace(memory=memory)

    def follow(self, state: PatientState, member: Tensor) -> PatientState:
        """The same patients, each following `member` (B,) int64 from now on; -1: one that the next step draws."""
        memory = torch.cat([member.to(state.memory.dtype)[:, None], state.memory[:, 1:]], 1)
        return state.replace(memory=memory)

    @torch.no_grad()
    def forecast(self, state: PatientState, dose: Tensor, hours: Tensor) -> Forecast:
        """What the ensemble as a whole expects: the mixture of its members, by its first two moments."""
        raw, _ = self._advance(state, dose, hours)
        each = forecast(raw, self.setting.layout.values(state.vitals)[:, None], hours[:, None])
        mean = each.mean.mean(1)
        variance = (each.sd.square() + (each.mean - mean[:, None]).square()).mean(1)
        return Forecast(mean, variance.sqrt(), each.measured.mean(1), each.risk.mean(1))

    def disagreement(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """What the members cannot know (B,): their `spread`, plus the `doubt` about doses that none has learned."""
        return self.spread(state, dose, hours) + self.doubt(state, dose, hours)

    @torch.no_grad()
    def spread(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """SD over members (B,): of the next scaled values, averaged over features, plus four times that of dying."""
        raw, _ = self._advance(state, dose, hours)
        features = len(self.spec.features)
        mean = self.setting.layout.values(state.vitals)[:, None] + raw[:, :, :features]
        death = risks(raw[:, :, -2:].clamp(*LOG_RATE), hours[:, None])[:, :, 1]
        return _spread(mean.clamp(-BOUND, BOUND)).mean(1) + _HAZARD * _spread(death)

    @torch.no_grad()
    def doubt(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """How little like this state and dose the training stays hold (B,): 0 where they hold much, 1 if nothing."""
        _, familiarity = self._placed(dose.device)
        return familiarity.doubt(self.setting.layout.columns(state, dose, hours))

    @property
    def belief_dim(self) -> int:
        """Q: the known columns that await a dose, then each member's hidden state and cell."""
        return self.setting.layout.known + 2 * self.members * self.weights.recurrent.shape[1]

    def initial_belief(self, observed: PatientState) -> Tensor:
        """Belief (B, Q) at admission."""
        known = self.setting.layout.first(observed)
        return torch.cat([known, known.new_zeros(len(known), self.belief_dim - known.shape[1])], 1)

    @torch.no_grad()
    def filter(self, belief: Tensor, dose: Tensor, hours: Tensor, observed: PatientState) -> Tensor:
        """Belief (B, Q) after all members have read the dose, and the next observation awaits the next one."""
        layout = self.setting.layout
        known = belief[:, : layout.known]
        _, after = self._placed(dose.device)[0].advance(layout.complete(known, dose, hours), belief, layout.known)
        after[:, : layout.known] = layout.later(known, dose, hours, observed)
        return after

    @torch.no_grad()
    def assimilate(self, trajectories: Trajectories) -> Tensor:
        """Belief (N, T+1, Q) at every recorded state of the stays; 0 where a stay is over."""
        stays, states = trajectories, states_of(trajectories)
        number = torch.arange(len(stays), device=stays.mask.device) * (stays.mask.shape[1] + 1)
        beliefs = [self.initial_belief(states.rows(number))]
        for t in range(stays.mask.shape[1]):
            beliefs.append(self.filter(beliefs[-1], stays.dose[:, t], stays.hours[:, t], states.rows(number + t + 1)))
        return torch.where(valid_states(stays)[:, :, None], torch.stack(beliefs, 1), 0.0)

    def believing(self, state: PatientState) -> PatientState:
        """The state with what its belief (B, Q) says of the members in its memory: ready for `spread` or a step."""
        cells = state.belief[:, self.setting.layout.known :]
        return state.replace(memory=torch.cat([torch.full_like(cells[:, :1], _UNDRAWN), cells], 1))

    def resume(self, stays: Trajectories) -> PatientState:
        """Every recorded state (N * (T + 1) rows, stay by stay) ready to be stepped, with what was observed before."""
        cells = self.assimilate(stays)[:, :, self.setting.layout.known :].flatten(0, 1)
        return states_of(stays).replace(memory=torch.cat([torch.full_like(cells[:, :1], _UNDRAWN), cells], 1))

    def save(self, folder: str | Path) -> Path:
        """Write `model.json` and `weights.safetensors`; FileExistsError where a model lies there."""
        config = {"members": self.members, "hidden": self.weights.recurrent.shape[1]}
        familiarity = {f"{_FAMILIARITY}{name}": value for name, value in vars(self.familiarity).items()}
        return save_parts(folder, KIND, self.setting, config, vars(self.weights) | familiarity)

    @classmethod
    def load(cls, folder: str | Path) -> LSTMEnsemble:
        """What `save` wrote."""
        parts = load_parts(folder, (KIND,))
        own, known = (tuple(kind.__dataclass_fields__) for kind in (Weights, Familiarity))
        lacking = [name for name in (*own, *(_FAMILIARITY + name for name in known)) if name not in parts.weights]
        if lacking:
            raise ValueError(f"{folder}: {lacking[0]} is missing; fit and save the model anew")
        familiarity = Familiarity(**{name: parts.weights[_FAMILIARITY + name] for name in known})
        return cls(parts.setting, Weights(**{name: parts.weights[name] for name in own}), familiarity)

    def _blank(self, like: Tensor) -> Tensor:
        memory = like.new_zeros(len(like), 1 + 2 * self.members * self.weights.recurrent.shape[1])
        memory[:, 0] = _UNDRAWN
        return memory

    def _advance(self, state: PatientState, dose: Tensor, hours: Tensor) -> tuple[Tensor, Tensor]:
        """Raw outputs (B, K, P) and the memory (B, M) after all members have read the state and the dose."""
        cells, _ = self._placed(dose.device)
        return cells.advance(self.setting.layout.columns(state, dose, hours), state.memory, first=1)

    def _placed(self, device: torch.device) -> tuple[Cells, Familiarity]:
        if device not in self._on:
            self._on[device] = Cells.of(self.weights, device), self.familiarity.to(device)
        return self._on[device]


def _spread(x: Tensor) -> Tensor:
    """SD over members of (B, K, ...), written out: many times faster than `std` for a handful."""
    return (x - x.mean(1, keepdim=True)).square().mean(1).sqrt()
