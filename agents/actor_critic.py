"""Networks of on-policy learners: an actor over levels or continuous doses, and a critic of rewards and costs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..contracts import Treatment
from .gaussian import GaussianPolicy, gaussian_log_density, squash
from .mlp import MLP, Activation, sequential
from .network import NetworkPolicy

FORBIDDEN = -1e9  # logit of a masked action: no probability, and no infinity in gradients
_HALF_LOG_2PIE = 0.5 * math.log(2 * math.pi * math.e)


class ActorCritic(nn.Module):
    """`draw` acts, `log_prob_entropy` is what learning needs of the actor, `critic` gives values (B, 1 + J).

    An action drawn is (B,) int64, or (B, U) before squashing: on-policy learners keep what was sampled, with its own
    log-density; `executed` is what the treatment is given.
    """

    def __init__(self, treatment: Treatment, hidden: tuple[int, ...], activation: Activation, values: int) -> None:
        super().__init__()
        self.activation = activation
        self.discrete = treatment.actions is not None
        outputs = treatment.actions or len(treatment.spec.drugs)
        self.actor = sequential((treatment.observation_dim, *hidden, outputs), activation)
        self.critic = sequential((treatment.observation_dim, *hidden, values), activation)
        self.log_spread = nn.Parameter(torch.full((0 if self.discrete else outputs,), -0.5))
        for network, gain in ((self.actor, 0.01), (self.critic, 1.0)):
            _orthogonal(network, gain)

    def begin_at(self, policy: NetworkPolicy | GaussianPolicy) -> None:
        """Copy the layers of a policy into the actor; ValueError where they differ."""
        own = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        shapes = [tuple(layer.weight.shape) for layer in own]
        theirs = [tuple(weight.shape) for weight, _ in policy.network.layers]
        if shapes != theirs or policy.network.activation != self.activation:
            raise ValueError(f"the policy to start from needs {self.activation} layers {shapes}, got {theirs}")
        with torch.no_grad():
            for layer, (weight, bias) in zip(own, policy.network.layers, strict=True):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
            if isinstance(policy, GaussianPolicy):
                self.log_spread.copy_(policy.log_spread)

    def draw(self, obs: Tensor, allowed: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """An action and its log-probability (B,), without waiting for the device."""
        out = self.actor(obs)
        if not self.discrete:
            noise = torch.randn(out.shape, generator=generator, device=out.device)
            sampled = out + self.log_spread.exp() * noise
            return sampled, gaussian_log_density(sampled, out, self.log_spread)
        logits = _masked(out, allowed)
        uniform = torch.rand(logits.shape, generator=generator, device=logits.device).clamp_min(1e-20)
        action = (logits - (-uniform.log()).log()).argmax(1)  # the Gumbel-max trick
        return action, torch.log_softmax(logits, 1).gather(1, action[:, None])[:, 0]

    def executed(self, action: Tensor) -> Tensor:
        """What the treatment is given for a drawn action."""
        return action if self.discrete else squash(action)

    def log_prob_entropy(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B,) of drawn actions, and the entropy (B,) of the actor, before squashing."""
        out = self.actor(obs)
        if not self.discrete:
            entropy = (self.log_spread + _HALF_LOG_2PIE).sum().expand(len(out))
            return gaussian_log_density(action, out, self.log_spread), entropy
        logs = torch.log_softmax(_masked(out, allowed), 1)
        return logs.gather(1, action[:, None])[:, 0], -(logs.exp() * logs).sum(1)

    def policy(self) -> NetworkPolicy | GaussianPolicy:
        """The actor as a policy of its own, on the CPU; weights are copied."""
        network = MLP.of(self.actor, self.activation).to("cpu")
        return (
            NetworkPolicy(network) if self.discrete else GaussianPolicy(network, self.log_spread.detach().cpu().clone())
        )


def _masked(logits: Tensor, allowed: Tensor | None) -> Tensor:
    return logits if allowed is None else logits.masked_fill(~allowed, FORBIDDEN)


def _orthogonal(network: nn.Sequential, last_gain: float) -> None:
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    for layer in layers:
        nn.init.orthogonal_(layer.weight, last_gain if layer is layers[-1] else math.sqrt(2))
        nn.init.zeros_(layer.bias)
