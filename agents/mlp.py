"""A plain multilayer perceptron as a value: what every learned policy here computes with, and what is saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

Activation = Literal["relu", "tanh"]


@dataclass(frozen=True, eq=False)
class MLP:
    """Linear layers with an activation between them; a single layer is a linear model."""

    kind: ClassVar[str] = "network"
    layers: tuple[tuple[Tensor, Tensor], ...]  # weight (out, in) and bias (out,) of each
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        if self.activation not in get_args(Activation):
            raise ValueError(f"activation: expected one of {get_args(Activation)}, got {self.activation!r}")
        sizes = [weight.shape[1] for weight, _ in self.layers] + [self.outputs]
        for i, (weight, bias) in enumerate(self.layers):
            if weight.shape[0] != sizes[i + 1] or bias.shape != weight.shape[:1]:
                raise ValueError(f"layer {i}: weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not fit")

    @property
    def inputs(self) -> int:
        """Columns read."""
        return self.layers[0][0].shape[1]

    @property
    def outputs(self) -> int:
        """Columns returned."""
        return self.layers[-1][0].shape[0]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (B, outputs) of x (B, inputs); ValueError for another width."""
        if x.shape[-1] != self.inputs:
            raise ValueError(
                f"expected observations of {self.inputs} columns, got {x.shape[-1]}: "
                "the policy was learned on another spec or observation layout"
            )
        *hidden, last = self.layers
        for weight, bias in hidden:
            x = nn.functional.linear(x, weight, bias)
            x = torch.relu(x) if self.activation == "relu" else torch.tanh(x)
        return nn.functional.linear(x, *last)

    def to(self, device: torch.device | str) -> MLP:
        """The same network on `device`."""
        return MLP(tuple((w.to(device), b.to(device)) for w, b in self.layers), self.activation)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.activation}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """Named tensors, which `from_weights` reads back."""
        pairs = enumerate(self.layers)
        return {f"{prefix}{i}.{name}": x for i, pair in pairs for name, x in zip(("weight", "bias"), pair, strict=True)}

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor], activation: Activation, prefix: str = "") -> MLP:
        """The network whose `weights(prefix)` these are; ValueError where there is none."""
        count = sum(name.startswith(prefix) and name.endswith(".weight") for name in weights)
        try:
            layers = tuple((weights[f"{prefix}{i}.weight"], weights[f"{prefix}{i}.bias"]) for i in range(count))
        except KeyError as error:
            raise ValueError(f"weights of a network {prefix!r} are incomplete: {error} is missing") from None
        if not layers:
            raise ValueError(f"no weights of a network {prefix!r}; got {sorted(weights)}")
        return cls(layers, activation)

    @classmethod
    def of(cls, module: nn.Sequential, activation: Activation) -> MLP:
        """A copy of the linear layers of `module`, detached from it."""
        linear = [layer for layer in module if isinstance(layer, nn.Linear)]
        return cls(tuple((w.weight.detach().clone(), w.bias.detach().clone()) for w in linear), activation)


def sequential(sizes: tuple[int, ...], activation: Activation) -> nn.Sequential:
    """A trainable network with these layer widths, from the inputs to the outputs."""
    act = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(before, after), act()]
    return nn.Sequential(*layers[:-1])
