"""Rendered scans: pure, of the size and density they are meant to have, and harder where a knob says so."""

import math

import pytest
import torch
from posology.patient_models.imaging.chest import PIXEL, PIXELS, chests
from posology.patient_models.imaging.lesion import Lesions, longest_diameter, outline
from posology.patient_models.imaging.render import Scanner, as_bytes, render
from posology.patient_models.simulate import follow
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_memory import recall
from posology.patient_models.tumor_rule import TumorRule
from posology.patient_models.tumor_scan import last_scans, pictures
from posology.patient_models.tumor_spec import WEEK

THIN = Scanner(noise=0.0, thickness=0.1, wall=0.0)


def lesions(rows: int, smallest: float = 0.8, largest: float = 12.0, seed: int = 0) -> Lesions:
    g = torch.Generator().manual_seed(seed)
    diameter = smallest * torch.exp(torch.rand(rows, generator=g) * math.log(largest / smallest))
    aspect, anatomy, key = torch.randn(3, rows, generator=g).unbind(0)
    return Lesions(math.pi / 6 * diameter**3, torch.exp(0.25 * aspect.abs()), anatomy, key)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    many = lesions(70)
    together = render(many)
    for row in (0, 31, 32, 69):
        alone = render(Lesions(*(x[row : row + 1] for x in many)))
        assert torch.allclose(alone.hu[0], together.hu[row], atol=0.02)
        assert (alone.mask[0] != together.mask[row]).sum() <= 1  # a pixel filled to a half may go either way


def test_the_mask_has_the_volume_of_the_lesion() -> None:
    some = lesions(200, 2.0, 6.0)
    area = render(some, THIN).mask.float().sum((1, 2)) * PIXEL**2
    ratio = 4 / 3 * math.pi * (area / math.pi) ** 1.5 / some.volume
    assert ratio.median().item() == pytest.approx(1, abs=0.04)
    assert (ratio.log().abs() < 0.15).float().mean() > 0.8


def test_a_stack_holds_the_volume_of_the_lesion() -> None:
    some = lesions(40, 2.0, 5.0)
    levels = tuple(0.25 * (s - 15.5) for s in range(32))
    scans = render(some, Scanner(noise=0.0, thickness=0.25, wall=0.0), levels=levels)
    assert scans.hu.shape == (40, 32, PIXELS, PIXELS)
    ratio = scans.mask.float().sum((1, 2, 3)) * PIXEL**2 * 0.25 / some.volume
    assert ratio.median().item() == pytest.approx(1, abs=0.04)


def test_the_longest_diameter_is_that_of_the_mask() -> None:
    some = lesions(60, 2.0, 6.0)
    scans = render(some, THIN)
    for row in range(0, 60, 6):
        points = scans.mask[row].nonzero().float() * PIXEL
        widest = torch.cdist(points, points).max().item()
        assert scans.diameter[row].item() == pytest.approx(widest, abs=0.45)
    assert torch.equal(scans.diameter, longest_diameter(outline(some, chests(), 0.0)))


def test_tissues_have_their_densities() -> None:
    some = lesions(100, 3.2, 3.9)
    scans = render(some, Scanner(noise=0.0, wall=0.0))
    assert (scans.hu[:, 0, 0] < -900).all() and scans.hu.isfinite().all()
    levels = torch.stack([h[m].median() for h, m in zip(scans.hu, scans.mask, strict=True)])
    assert levels.median().item() == pytest.approx(38, abs=10)
    empty = render(Lesions(torch.zeros(100), *some[1:]))
    assert not empty.mask.any() and (empty.diameter == 0).all()
    assert ((empty.hu > -950) & (empty.hu < -700)).float().mean() > 0.1  # lung
    assert (empty.hu > 250).float().mean() > 0.01  # bone


def test_noise_is_as_strong_as_asked_and_keyed_by_the_scan() -> None:
    nothing = torch.zeros(40)
    person = torch.randn(40, generator=torch.Generator().manual_seed(0))
    keys = torch.randn(2, 40, generator=torch.Generator().manual_seed(1))
    first, second = (render(Lesions(nothing, nothing + 1, person, key), Scanner(noise=25.0)).hu for key in keys)
    body = first[:, 20:76, 50:] > -500
    difference = (first - second)[:, 20:76, 50:][body]
    assert difference.std().item() == pytest.approx(25 * 2**0.5, rel=0.05)
    again = render(Lesions(nothing, nothing + 1, person, keys[0]), Scanner(noise=25.0)).hu
    assert torch.equal(first, again)


def test_knobs_of_the_scanner() -> None:
    some = lesions(60)
    plain = render(some, Scanner(noise=0.0)).hu
    assert torch.allclose(render(some, Scanner(noise=0.0, offset=30.0)).hu, (plain + 30).clamp(-1024, 1500), atol=0.01)
    stretched = render(some, Scanner(noise=0.0, gain=1.1)).hu
    assert torch.allclose(stretched, ((plain + 1000) * 1.1 - 1000).clamp(-1024, 1500), atol=0.01)
    edges = [render(some, Scanner(noise=0.0, blur=b)).hu.diff(dim=2).abs().mean().item() for b in (0.0, 0.5, 1.0)]
    assert edges[0] > edges[1] > edges[2]
    small = lesions(200, 0.8, 1.6)
    thick, thin = (render(small, Scanner(noise=0.0, thickness=t)).mask.sum() for t in (1.0, 0.1))
    assert thick < 0.95 * thin
    solid, faint = (render(some, Scanner(noise=0.0, wall=0.0, contrast=c)) for c in (1.0, 0.4))
    assert torch.equal(solid.mask, faint.mask)
    assert solid.hu[solid.mask].median() > -20 and faint.hu[solid.mask].median() < -300
    for wrong in ({"noise": -1.0}, {"thickness": 0.0}, {"wall": 2.0}, {"contrast": 1.5}):
        with pytest.raises(ValueError, match="thickness"):
            Scanner(**wrong)


def test_attached_lesions_touch_what_looks_like_them() -> None:
    some = lesions(150, 2.0, 4.0)

    def touching(wall: float) -> float:
        scanner = Scanner(noise=0.0, wall=wall)
        with_lesion, without = (render(x, scanner) for x in (some, some._replace(volume=torch.zeros(150))))
        near = torch.nn.functional.max_pool2d(with_lesion.mask.float()[:, None], 3, 1, 1)[:, 0] > 0
        return ((near & (without.hu > -30)).sum((1, 2)) >= 8).float().mean().item()

    assert touching(1.0) > 0.8 and touching(0.0) < 0.5


def test_grey_levels_cover_the_window() -> None:
    hu = torch.tensor([-2000.0, -1000.0, -300.0, 400.0, 1500.0])
    assert as_bytes(hu).tolist() == [0, 0, 128, 255, 255]


def test_a_patient_keeps_the_last_scan_until_the_next() -> None:
    course = follow(Tumor(scan_weeks=3), TumorRule(), 6, decisions=4, hours=WEEK)
    shown = [pictures(state) for state in course.states]
    assert shown[0].shape == (6, PIXELS, PIXELS) and shown[0].dtype == torch.uint8
    assert torch.equal(shown[0], shown[1]) and torch.equal(shown[1], shown[2])
    assert (shown[2] != shown[3]).float().mean() > 0.3 and torch.equal(shown[3], shown[4])
    area = last_scans(course.states[3]).mask.float().sum((1, 2))
    volume = recall(course.states[3].memory, "volume")
    assert area.argsort()[-1] == volume.argsort()[-1]
