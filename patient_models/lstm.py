"""Fitting the learned patient: an ensemble of LSTMs, each from its own start and its own bootstrap of the patients."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Progress, Trajectories, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .familiarity import fit_familiarity
from .image_dropout import image_dropout
from .learned_heads import NEVER, examples
from .learned_setting import Setting
from .linear import LinearConfig, best_affine, fit_affine
from .lstm_cells import Weights
from .lstm_ensemble import LSTMEnsemble
from .lstm_member import LSTMConfig, MemberNetwork, train_member

__all__ = ["LSTMConfig", "LSTMEnsemble", "fit_lstm"]

_STEPS = 20  # of L-BFGS towards the linear patient that every member starts from


def fit_lstm(
    train: Trajectories,
    tuning: Trajectories,
    config: LSTMConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
) -> LSTMEnsemble:
    """The LSTM ensemble of the training stays, stopped early on the tuning stays; goes on from `checkpoint`.

    Values count only where they were measured. ValueError where either holds no decision.
    """
    config = config or LSTMConfig()
    setting = Setting.of(train)
    if not bool(tuning.mask.any()):
        raise ValueError("early stopping needs tuning stays with decisions, got none: widen the cohort or its split")
    target, stop = examples(setting.layout, train), examples(setting.layout, tuning)
    happens = target.event[target.mask].any(0)
    ridge, _ = best_affine(target, stop, LinearConfig(iterations=_STEPS))
    hidden = image_dropout(train.spec, config.image_dropout)
    networks = []
    for k in range(config.members):
        generator = torch.Generator().manual_seed(seed * 1000 + k)
        each = bootstrap_weights(train.subject, generator) if config.bootstrap else torch.ones(len(train))
        used = torch.nonzero(each)[:, 0]
        seen = target if hidden is None else examples(setting.layout, hidden(train, generator))
        data = (seen.rows(used), each[used])
        affine = fit_affine(data[0], ridge, data[1], iterations=_STEPS)
        network = MemberNetwork(affine, config.hidden, generator)
        report = _share(progress, k, config.members)
        place = checkpoint.part(f"member_{k}")
        train_member(network, data, stop, config, generator=generator, progress=report, checkpoint=place)
        networks.append(network)
    familiarity = fit_familiarity(setting.layout, target, torch.Generator().manual_seed(seed))
    return LSTMEnsemble(setting, _weights(networks, happens), familiarity)


def bootstrap_weights(subject: Tensor, generator: torch.Generator) -> Tensor:
    """How often each stay (N,) is drawn when as many patients are drawn, with replacement, as there are."""
    _, number = subject.unique(return_inverse=True)
    patients = int(number.max()) + 1
    draws = torch.randint(patients, (patients,), generator=generator)
    return torch.bincount(draws, minlength=patients)[number].float()


def _share(progress: Progress, member: int, members: int) -> Progress:
    def report(done: float, message: str) -> None:
        progress((member + done) / members, f"LSTM {member + 1} of {members}, {message}")

    return report


def _weights(networks: list[MemberNetwork], happens: Tensor) -> Weights:
    """The trained weights of all members; an outcome that never `happens` (2,) keeps its vanishing rate everywhere."""
    states = [network.state_dict() for network in networks]

    def stack(name: str) -> Tensor:
        return torch.stack([state[name].t() if state[name].dim() == 2 else state[name] for state in states]).clone()

    weights = Weights(
        input=stack("lstm.weight_ih_l0"),
        recurrent=stack("lstm.weight_hh_l0"),
        bias=stack("lstm.bias_ih_l0") + stack("lstm.bias_hh_l0"),
        head_state=stack("from_state.weight"),
        head_input=stack("from_input.weight"),
        head_bias=stack("from_input.bias"),
    )
    never = torch.nonzero(~happens)[:, 0] - 2  # the last two outputs are the outcomes
    weights.head_state[:, :, never] = 0.0
    weights.head_input[:, :, never] = 0.0
    weights.head_bias[:, never] = NEVER
    return weights
