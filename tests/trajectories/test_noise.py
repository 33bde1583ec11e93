import torch
from posology.trajectories.noise import ACTOR, PATIENT, normals, seeds
from scipy.stats import kstest


def draw(rows, columns=7, admission=0, step=0, stream=PATIENT):
    zero = torch.zeros_like(rows)
    return normals(rows, zero + admission, zero + step, columns, stream=stream)


def test_a_row_depends_on_its_own_key_only():
    rows = seeds(5, 4096)
    batch = draw(rows)
    for i in (0, 1, 17, 4095):
        assert torch.equal(batch[i], draw(rows[i : i + 1])[0])
    shuffled = torch.randperm(4096, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batch[shuffled], draw(rows[shuffled]))


def test_a_column_does_not_depend_on_how_many_are_drawn():
    rows = seeds(0, 64)
    assert torch.equal(draw(rows, 31)[:, :6], draw(rows, 6))


def test_every_key_gives_other_noise():
    rows = seeds(0, 256)
    variants = [draw(rows), draw(rows, admission=1), draw(rows, step=1), draw(rows, stream=ACTOR), draw(rows + 256)]
    for i, a in enumerate(variants):
        for b in variants[:i]:
            assert (a != b).float().mean() > 0.999


def test_normals_are_standard_and_uncorrelated():
    z = draw(seeds(0, 100_000), 8).double()
    assert z.mean(0).abs().max() < 4 / 100_000**0.5
    assert (z.var(0) - 1).abs().max() < 4 * (2 / 100_000) ** 0.5
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 5 / 100_000**0.5
    assert all(kstest(z[:, j].numpy(), "norm").pvalue > 1e-4 for j in range(8))


def test_tails_follow_the_normal_distribution():
    z = draw(seeds(7, 400_000), 10).double().flatten()
    for limit in (3.0, 4.0):
        expected = torch.special.ndtr(torch.tensor(-limit, dtype=torch.float64)) * 2
        found = (z.abs() > limit).double().mean()
        assert abs(found - expected) < 4.5 * (expected / len(z)) ** 0.5


def test_adjacent_seeds_and_steps_are_uncorrelated():
    rows = seeds(0, 100_000)
    z, later = draw(rows, 1)[:, 0].double(), draw(rows, 1, step=1)[:, 0].double()
    assert abs(float((z[1:] * z[:-1]).mean())) < 5 / 100_000**0.5
    assert abs(float((z * later).mean())) < 5 / 100_000**0.5


def test_negative_and_huge_seeds_are_seeds_too():
    z = draw(torch.tensor([-1, 2**62, -(2**63), 0]))
    assert torch.isfinite(z).all() and len(torch.unique(z)) == z.numel()
