"""PPO on the treatment's own device: masks, levels or continuous doses, budgets for costs, discounts in hours.

Schulman et al. 2017 (arXiv 1707.06347), with generalised advantages (arXiv 1506.02438) and, where budgets are set, the
PID Lagrangian of `lagrangian.py`. A rollout never waits for the device: beds are refilled by masks, and statistics are
read once per rollout.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..contracts import PatientState, Progress, Treatment, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from ..trajectories.noise import seeds
from ..trajectories.ward import Ward, advance, open_ward
from .actor_critic import ActorCritic
from .advantages import Rollout, advantages
from .flat_weights import FlatWeights
from .gaussian import GaussianPolicy
from .lagrangian import Multipliers, PIDConfig, penalised
from .logbook import Logbook, Watch, unwatched, unwritten
from .mlp import Activation
from .network import NetworkPolicy
from .within_budget import best_within


@dataclass(frozen=True)
class MaskedPPOConfig:
    """Settings; a rollout of 6 decisions in 256 beds learns fastest where stays have some 18."""

    steps: int = 300_000  # decisions to train on
    beds: int = 256  # patients stepped at once
    rollout: int = 6  # decisions of every bed between updates
    minibatches: int = 4
    epochs: int = 4
    learning_rate: float = 1e-3  # falls linearly to 0
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    discount: float = 1.0  # per `discount_hours`, or per decision where that is None
    discount_hours: float | None = None
    gae_lambda: float = 0.9
    clip: float = 0.2
    entropy: float = 0.003
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    budgets: tuple[tuple[str, float], ...] = ()  # constraint -> mean cost per stay that it may have, above 0
    pid: PIDConfig = PIDConfig()
    candidates: int = 10  # policies of the last generations that are tried for their budgets
    tried_on: int = 1024  # stays
    first_seed: int = 0  # of the patients met in training
    device: str = "cpu"


@dataclass
class _Learner:
    """What changes in training, and what a checkpoint keeps."""

    network: ActorCritic
    weights: FlatWeights  # of the network
    optimizer: torch.optim.Adam
    generator: torch.Generator
    ward: Ward
    spent: Tensor  # (B, J) cost so far of the stays in care
    multipliers: Multipliers
    update: int = 0
    recent: tuple[Tensor, ...] = ()  # weights after the last generations of stays, where there are budgets


def fit_masked_ppo(
    source: Treatment,
    config: MaskedPPOConfig,
    *,
    start: NetworkPolicy | GaussianPolicy | None = None,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
    watch: Watch = unwatched,
) -> NetworkPolicy | GaussianPolicy:
    """A policy trained in `source`: over its actions where they are discrete, else over continuous doses.

    Training begins at `start`, a policy of the same layers, or by chance. At the horizon the value goes on only where
    the treatment says so. With budgets, the policies of the last generations of stays are tried on fresh ones, and the
    best that is within is taken. Same seed, same policy on a CPU; a killed training goes on from its checkpoint with
    the very numbers of a straight one. KeyError for a budget on an unknown constraint, ValueError for one of 0 and for
    unequal minibatches.
    """
    columns = torch.tensor(_columns(source, config), dtype=torch.int64, device=config.device)
    limits = torch.tensor([limit for _, limit in config.budgets], dtype=torch.float64)
    frames = config.rollout * config.beds
    if frames % config.minibatches:
        raise ValueError(f"{frames} decisions a rollout do not split into {config.minibatches} equal minibatches")
    learner = _begin(source, config, start, seed)
    _resume(learner, checkpoint)
    updates = -(-config.steps // frames)
    while learner.update < updates:
        for group in learner.optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - learner.update / updates)
        rollout, finished = _collect(source, learner, config, columns)
        losses = _improve(learner, rollout, config)
        stats = torch.cat([finished, losses]).tolist()  # the one time a rollout waits for the device
        costs = torch.tensor(stats[2 : 2 + len(limits)], dtype=torch.float64)
        learner.multipliers = learner.multipliers.after(
            stats[0], costs, limits, config.pid, generation=config.beds, done=learner.update / updates
        )
        if config.budgets and learner.multipliers.moved:
            learner.recent = (*learner.recent, learner.weights.flat.detach().clone())[-config.candidates :]
        learner.update += 1
        _write(log, learner.update * frames, stats, learner.multipliers, config)
        checkpoint.save(**_state(learner))
        watch(learner.update * frames, learner.network.policy)
        progress(learner.update / updates, "training PPO")
    return _policy(source, learner, config, columns, limits)


def _policy(
    source: Treatment, learner: _Learner, config: MaskedPPOConfig, columns: Tensor, limits: Tensor
) -> NetworkPolicy | GaussianPolicy:
    """What was learned; of the last policies the best within the budgets, on patients after those of training."""

    @torch.no_grad()
    def policy_of(weights: Tensor) -> NetworkPolicy | GaussianPolicy:
        learner.weights.flat.copy_(weights)
        return learner.network.policy()

    if not learner.recent:
        return learner.network.policy()
    fresh = config.first_seed + config.beds
    found = best_within(source, learner.recent, policy_of, columns, limits, stays=config.tried_on, seed=fresh)
    return policy_of(found)


@torch.no_grad()
def _collect(
    treatment: Treatment, learner: _Learner, config: MaskedPPOConfig, columns: Tensor
) -> tuple[Rollout, Tensor]:
    """One rollout, and (2 + J,) the number of stays that ended in it, their returns' part in it, and their costs."""
    steps: list[dict[str, Tensor]] = []
    masks: list[Tensor | None] = []
    ended = torch.zeros(2 + len(columns), device=config.device)
    obs = treatment.observe(learner.ward.state)
    for _ in range(config.rollout):
        allowed = treatment.allowed(learner.ward.state)
        action, log_prob = learner.network.draw(obs, allowed, learner.generator)
        done = advance(treatment, learner.ward, learner.network.executed(action))
        costs = done.step.costs.index_select(1, columns)
        learner.spent = learner.spent + costs
        over = done.done.to(costs.dtype)
        ended += torch.cat([over.sum()[None], done.step.reward.sum()[None], (learner.spent * over[:, None]).sum(0)])
        learner.spent = learner.spent * (1 - over[:, None])
        masks.append(allowed)
        steps.append({
            "obs": obs, "action": action, "log_prob": log_prob, "last_obs": done.final_obs,
            "gain": torch.cat([done.step.reward[:, None], costs], 1),
            "discount": _discount(done.step.hours, config), "terminated": done.step.terminated,
            "truncated": done.step.truncated,
        })  # fmt: skip
        learner.ward, obs = done.ward, done.obs
    stacked = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    allowed_all = None if masks[0] is None else torch.stack([mask for mask in masks if mask is not None])
    values = learner.network.critic(torch.cat([stacked["obs"], obs[None]]))
    beyond = learner.network.critic(stacked["last_obs"]) if treatment.bootstrap_at_horizon else None
    return advantages(stacked, allowed_all, values, beyond, gae_lambda=config.gae_lambda), ended


def _improve(learner: _Learner, rollout: Rollout, config: MaskedPPOConfig) -> Tensor:
    """Several passes over a rollout in minibatches; mean policy loss, value loss, entropy and divergence (4,)."""
    gain = penalised(rollout.advantage, learner.multipliers.value)
    size = len(gain) // config.minibatches
    totals = torch.zeros(4, device=gain.device)
    for _ in range(config.epochs):
        order = torch.randperm(len(gain), generator=learner.generator, device=gain.device)
        shuffled = replace(rollout, advantage=gain).rows(order)  # once, so that minibatches are slices
        for first in range(0, len(gain), size):
            batch = shuffled.rows(slice(first, first + size))
            log_prob, entropy = learner.network.log_prob_entropy(batch.obs, batch.allowed, batch.action)
            change = log_prob - batch.log_prob
            ratio = change.exp()
            clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
            policy_loss = -torch.minimum(ratio * batch.advantage, clipped * batch.advantage).mean()
            value_loss = (learner.network.critic(batch.obs) - batch.target).square().mean()
            mean_entropy = entropy.mean()
            loss = policy_loss + config.value_weight * value_loss - config.entropy * mean_entropy
            learner.weights.descend(loss, learner.optimizer, config.max_grad_norm)
            with torch.no_grad():
                totals += torch.stack([policy_loss, value_loss, mean_entropy, (ratio - 1 - change).mean()])
    return totals / (config.epochs * config.minibatches)


def _discount(hours: Tensor, config: MaskedPPOConfig) -> Tensor:
    """Factor (B,) from one decision to the next."""
    if config.discount_hours is None:
        return torch.full_like(hours, config.discount)
    return config.discount ** (hours / config.discount_hours)


def _columns(treatment: Treatment, config: MaskedPPOConfig) -> list[int]:
    names = [constraint.name for constraint in treatment.constraints]
    unknown = [name for name, _ in config.budgets if name not in names]
    if unknown:
        raise KeyError(f"no constraint {unknown[0]!r} to budget; the treatment has: {', '.join(names) or 'none'}")
    for name, limit in config.budgets:
        if not limit > 0:
            raise ValueError(
                f"budget of {name!r}: expected more than 0, got {limit}; what must never be is for `shield`"
            )
    return [names.index(name) for name, _ in config.budgets]


def _begin(
    treatment: Treatment, config: MaskedPPOConfig, start: NetworkPolicy | GaussianPolicy | None, seed: int
) -> _Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ActorCritic(treatment, config.hidden, config.activation, 1 + len(config.budgets))
    if start is not None:
        network.begin_at(start)
    network = network.to(config.device)
    weights = FlatWeights.of(network)
    ward = open_ward(treatment, seeds(config.first_seed, config.beds, config.device))
    return _Learner(
        network=network,
        weights=weights,
        optimizer=torch.optim.Adam([weights.flat], lr=config.learning_rate, eps=1e-5, fused=True),
        generator=torch.Generator(device=config.device).manual_seed(seed),
        ward=ward,
        spent=torch.zeros(config.beds, len(config.budgets), device=config.device),
        multipliers=Multipliers.zero(len(config.budgets)),
    )


def _state(learner: _Learner) -> dict[str, Any]:
    return {
        "update": learner.update,
        "network": learner.network.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "generator": learner.generator.get_state(),
        "ward": {f.name: getattr(learner.ward, f.name) for f in fields(Ward) if f.name != "state"},
        "patients": asdict(learner.ward.state),
        "spent": learner.spent,
        "multipliers": asdict(learner.multipliers),
        "recent": list(learner.recent),
    }


def _resume(learner: _Learner, checkpoint: Checkpoint) -> None:
    state = checkpoint.load()
    if state is None:
        return
    device = learner.spent.device
    learner.network.load_state_dict(state["network"])
    learner.optimizer.load_state_dict(state["optimizer"])
    learner.generator.set_state(state["generator"])
    patients = PatientState(**{name: value.to(device) for name, value in state["patients"].items()})
    learner.ward = replace(
        learner.ward, state=patients, **{name: value.to(device) for name, value in state["ward"].items()}
    )
    learner.spent = state["spent"].to(device)
    learner.multipliers = Multipliers(**state["multipliers"])
    learner.update = state["update"]
    learner.recent = tuple(weights.to(device) for weights in state["recent"])


def _write(log: Logbook, step: int, stats: list[float], multipliers: Multipliers, config: MaskedPPOConfig) -> None:
    stays, reward = stats[0], stats[1]
    if stays:
        log("train/reward_per_stay", reward / stays, step)
        costs, weights = multipliers.last.tolist(), multipliers.value.tolist()
        for (name, _), cost, weight in zip(config.budgets, costs, weights, strict=True):
            log(f"cost/{name}", cost, step)
            log(f"multiplier/{name}", weight, step)
    for name, value in zip(("policy_loss", "value_loss", "entropy", "divergence"), stats[-4:], strict=True):
        log(f"train/{name}", value, step)
