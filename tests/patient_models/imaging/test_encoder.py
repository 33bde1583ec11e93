"""The encoder: it learns to read rendered scans, is kept as it is, and moves to another scanner."""

import dataclasses

import pytest
import torch
from posology.patient_models.imaging.adaptation import align_statistics, few_shot
from posology.patient_models.imaging.encoder import Encoder, Encoding, load_encoder
from posology.patient_models.imaging.encoder_training import (
    EncoderTraining,
    Rendered,
    encoder_loss,
    logarithms,
    train_encoder,
)
from posology.patient_models.imaging.render import Scanner
from posology.patient_models.imaging.shipped import shipped_encoder
from posology.patient_models.imaging.threshold import threshold_mask
from posology.patient_models.imaging.unet import UNet, UNetConfig

SOURCE = Rendered(smallest=2.0, largest=6.0)
OTHER = Rendered(Scanner(noise=30.0, blur=1.0, offset=120.0, gain=1.15), 2.0, 6.0)


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a.flatten(1), b.flatten(1)
    return (2 * (a & b).sum(1) / (a.sum(1) + b.sum(1)).clamp_min(1))[b.any(1)].median().item()


@pytest.fixture(scope="module")
def trained() -> Encoder:
    training = EncoderTraining(steps=80, batch=16, learning_rate=8e-3, calibration=64)
    return train_encoder(UNetConfig(channels=(8, 16)), SOURCE, training, seed=1)


@pytest.fixture(scope="module")
def held_out() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return SOURCE(64, torch.Generator().manual_seed(5))


def test_training_teaches_size_and_mask(trained, held_out) -> None:
    hu, mask, size = held_out
    read, lesion = trained.encode(hu), size[:, 0] > 0
    found = torch.corrcoef(torch.stack((logarithms(size)[lesion, 0], read.volume[lesion].clamp_min(0.01).log())))
    assert found[0, 1] > 0.5
    untrained = UNet(trained.config).eval()
    before, after = (encoder_loss(network(hu[:, None]), mask, size) for network in (untrained, trained.network))
    assert after < 0.5 * before
    assert read.embedding.shape == (64, 6) and read.embedding.abs().max() <= 1
    assert (read.volume_spread > 0).all() and (read.diameter >= 0).all()


def test_reading_does_not_depend_on_the_batch(trained, held_out) -> None:
    hu = held_out[0]
    together, alone = trained.encode(hu), trained.encode(hu[7:8])
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a[7:8].float(), b.float(), rtol=1e-3, atol=1e-3)


def test_saved_and_loaded_it_reads_the_same(trained, held_out, tmp_path) -> None:
    loaded = load_encoder(trained.save(tmp_path / "encoder"))
    assert loaded.config == trained.config
    assert loaded.calibration == pytest.approx(trained.calibration)
    for a, b in zip(trained.encode(held_out[0]), loaded.encode(held_out[0]), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(FileExistsError, match="already holds"):
        trained.save(tmp_path / "encoder")
    with pytest.raises(FileNotFoundError, match=r"encoder\.json"):
        load_encoder(tmp_path)
    text = (tmp_path / "encoder" / "encoder.json").read_text()
    (tmp_path / "encoder" / "encoder.json").write_text(text.replace('"embedding": 6', '"embedding": 7'))
    with pytest.raises(ValueError, match="does not fit"):
        load_encoder(tmp_path / "encoder")


def test_the_same_seed_gives_the_same_encoder() -> None:
    training = EncoderTraining(steps=3, batch=4, calibration=8)
    first, second = (train_encoder(UNetConfig(channels=(4, 4)), SOURCE, training, seed=3) for _ in range(2))
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_loss_rewards_the_truth(held_out) -> None:
    hu, mask, size = (part[:8] for part in held_out)
    reading = UNet(UNetConfig(channels=(4, 4)))(hu[:, None])
    right = reading._replace(mask=20.0 * (mask.float() - 0.5), size=logarithms(size))
    sure = right._replace(log_variance=torch.full_like(right.size, -4.0))
    assert encoder_loss(sure, mask, size) < encoder_loss(right, mask, size) < encoder_loss(reading, mask, size)
    wrong = sure._replace(size=right.size + 1.0)
    assert encoder_loss(wrong, mask, size) > encoder_loss(right, mask, size)


def test_another_scanner_hurts_and_adaptation_helps() -> None:
    encoder, generator = shipped_encoder(), torch.Generator().manual_seed(9)
    unlabelled, labelled, new = OTHER(32, generator)[0], OTHER(16, generator), OTHER(48, generator)
    before = dice(encoder.encode(new[0]).mask, new[1])
    for adapted in (align_statistics(encoder, unlabelled), few_shot(encoder, labelled, steps=25)):
        assert dice(adapted.encode(new[0]).mask, new[1]) > before + 0.05
    same = align_statistics(encoder, unlabelled, momentum=0.0)
    assert torch.allclose(same.encode(new[0]).volume, encoder.encode(new[0]).volume, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="at least 8"):
        align_statistics(encoder, unlabelled[:3])
    with pytest.raises(ValueError, match="at least one"):
        few_shot(encoder, tuple(part[:0] for part in labelled))


def test_three_dimensions() -> None:
    source = Rendered(slices=8, smallest=2.0, largest=5.0)
    config = UNetConfig(dimensions=3, channels=(4, 8), pixel=(0.5, 0.5, 0.5))
    hu, mask, _ = source(3, torch.Generator().manual_seed(0))
    assert hu.shape == mask.shape == (3, 8, 48, 48)
    encoder = train_encoder(config, source, EncoderTraining(steps=2, batch=2, calibration=4))
    read = encoder.encode(hu)
    assert read.mask.shape == hu.shape and read.volume.shape == (3,)


def test_what_cannot_be_built_or_read_is_refused() -> None:
    with pytest.raises(ValueError, match="pixel size"):
        UNetConfig(dimensions=3)
    with pytest.raises(ValueError, match="multiples of 8"):
        UNet(UNetConfig())(torch.zeros(1, 1, 90, 96))


def test_the_threshold_baseline_finds_plain_lesions_only() -> None:
    plain = Rendered(Scanner(noise=5.0, wall=0.0), 2.0, 4.0)(40, torch.Generator().manual_seed(1))
    walled = Rendered(Scanner(noise=5.0, wall=1.0), 2.0, 4.0)(40, torch.Generator().manual_seed(1))
    assert dice(threshold_mask(plain[0]), plain[1]) > 0.85
    assert dice(threshold_mask(walled[0]), walled[1]) < dice(threshold_mask(plain[0]), plain[1]) - 0.1


def test_the_shipped_encoder_reads_well() -> None:
    hu, mask, size = Rendered(smallest=1.5, largest=6.0)(150, torch.Generator().manual_seed(77))
    read = shipped_encoder().encode(hu)
    assert dice(read.mask, mask) > 0.9
    assert errors(read, size).median().item() < 0.15
    assert dataclasses.asdict(shipped_encoder().config)["embedding"] == 6


def test_its_predicted_spread_is_honest_over_all_sizes() -> None:
    hu, _, size = Rendered()(300, torch.Generator().manual_seed(78))
    read = shipped_encoder().encode(hu)
    within = errors(read, size) < read.volume_spread[size[:, 0] > 0]
    assert within.float().mean().item() == pytest.approx(0.68, abs=0.08)


def errors(read: Encoding, size: torch.Tensor) -> torch.Tensor:
    """Errors of log volume where there is a lesion."""
    ours = logarithms(torch.stack((read.volume, read.diameter), 1))
    return (logarithms(size) - ours)[size[:, 0] > 0, 0].abs()
