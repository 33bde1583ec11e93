"""Training the learned patient: batches of one length in bfloat16 against packed sequences in small batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..patient_models.learned_heads import Examples, examples, negative_log_likelihood, outputs
from ..patient_models.learned_inputs import InputLayout
from ..patient_models.lstm_member import MemberNetwork, train_epoch
from .models import FEATURES, made_up_stays
from .registry import Contest

STAYS, DECISIONS, HIDDEN = 4096, 20, 128
PACKED, BATCH = 128, 512  # stays in a batch of either side


def lstm_training() -> Contest:
    """An epoch over stays of 1 to 20 decisions, 128 hidden units, with the likelihood that patients are fitted by."""
    data = _ragged_examples()
    packed, bucketed = _network(data), _network(data)
    generator = torch.Generator().manual_seed(0)
    optimisers = [torch.optim.AdamW(network.parameters(), lr=1e-3) for network in (packed, bucketed)]

    def reference() -> int:
        rows = torch.randperm(STAYS, generator=generator)[: STAYS // 4]
        for batch in rows.split(PACKED):
            _packed_update(packed, optimisers[0], data.rows(batch))
        return len(rows)

    def candidate() -> int:
        train_epoch(bucketed, optimisers[1], (data, torch.ones(STAYS)), BATCH, bfloat16=True, generator=generator)
        return STAYS

    def check() -> None:
        network, some = _network(data), data.rows(torch.arange(64))
        exact = negative_log_likelihood(_packed(network, some), some)
        torch.testing.assert_close(negative_log_likelihood(network(some.inputs), some), exact, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(
            negative_log_likelihood(network(some.inputs, True), some), exact, rtol=1e-2, atol=0.1
        )

    return Contest(reference, candidate, check, unit="stays", goal=2.5)


def _ragged_examples() -> Examples:
    stays = made_up_stays(STAYS, decisions=DECISIONS, seed=3)
    length = torch.randint(1, DECISIONS + 1, (STAYS, 1), generator=torch.Generator().manual_seed(4))
    return examples(InputLayout(stays.spec), stays.replace(mask=torch.arange(DECISIONS) < length))


def _network(data: Examples) -> MemberNetwork:
    """A network of the same random weights each time; its heads read the recurrence too."""
    generator = torch.Generator().manual_seed(5)
    network = MemberNetwork(torch.zeros(data.inputs.shape[2] + 1, outputs(FEATURES)), HIDDEN, generator)
    nn.init.normal_(network.from_state.weight, std=0.1, generator=generator)
    return network


def _packed(network: MemberNetwork, batch: Examples) -> Tensor:
    """Raw outputs by way of packed sequences."""
    length = batch.mask.sum(1)
    sequences = nn.utils.rnn.pack_padded_sequence(batch.inputs, length, batch_first=True, enforce_sorted=False)
    states, _ = network.lstm(sequences)
    padded, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=batch.mask.shape[1])
    raw: Tensor = network.from_state(padded) + network.from_input(batch.inputs)
    return raw


def _packed_update(network: MemberNetwork, optimiser: torch.optim.Optimizer, batch: Examples) -> None:
    loss = negative_log_likelihood(_packed(network, batch), batch).mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
