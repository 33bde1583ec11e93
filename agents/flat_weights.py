"""All weights of a network as one vector, so that an optimiser's step is a few large operations, not many tiny ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class FlatWeights:
    """`flat` (W,) is what an optimiser changes; the parameters of the network are views of it."""

    parameters: tuple[nn.Parameter, ...]
    flat: nn.Parameter

    @classmethod
    def of(cls, network: nn.Module) -> FlatWeights:
        """Lay the parameters of `network` end to end; it must not be moved to another device afterwards."""
        parameters = tuple(p for p in network.parameters() if p.numel())
        flat = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
        for p, part in zip(parameters, flat.data.split([p.numel() for p in parameters]), strict=True):
            p.data = part.view_as(p)
        return cls(parameters, flat)

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer, max_norm: float) -> None:
        """One step of `optimizer`, which holds `flat`, down the gradient of `loss`, cut to a norm of `max_norm`."""
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.parameters)])
        self.flat.grad = gradient.mul_((max_norm / (gradient.norm() + 1e-6)).clamp(max=1.0))
        optimizer.step()
