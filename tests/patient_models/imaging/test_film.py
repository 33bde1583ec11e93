"""Rendered chest films: pure, as opaque as they are meant to be, and read with an honest spread."""

import pytest
import torch
from posology.patient_models.imaging.adaptation import align_films
from posology.patient_models.imaging.film import Films, Technique, _some, film_bytes, render_films, wet_lung
from posology.patient_models.imaging.film_chests import BANK, PIXELS, film_chests
from posology.patient_models.imaging.film_network import FilmConfig, FilmNetwork
from posology.patient_models.imaging.film_reader import FilmReader, load_film_reader, shipped_film_reader
from posology.patient_models.imaging.film_training import FilmTraining, draw_films, train_film_reader

STILL = Technique(noise=0.0, exposure=0.0, placing=0.0)


def films(count: int, seed: int = 0) -> Films:
    return draw_films(count, torch.Generator().manual_seed(seed))


def test_a_film_does_not_depend_on_its_batch() -> None:
    many = films(70)
    together = render_films(many)
    for row in (0, 31, 32, 69):
        alone = render_films(Films(*(x[row : row + 1] for x in many)))
        assert torch.allclose(alone.grey[0], together.grey[row], atol=1e-5)
        assert torch.allclose(alone.zones[0], together.zones[row], atol=1e-5)


def test_the_lungs_are_as_wet_as_the_opacity_says() -> None:
    bank = film_chests()
    opacity = torch.linspace(0.02, 0.95, 60)
    chest = torch.arange(60) % BANK
    person = torch.randn(60, 10, generator=torch.Generator().manual_seed(1))
    wet = wet_lung(bank, chest, opacity, person)
    air = bank.air[chest]
    mean = (wet * air).sum((1, 2)) / air.sum((1, 2))
    assert (mean - opacity).abs().max() < 0.01 and wet.min() >= 0 and wet.max() <= 1


def test_more_water_makes_the_same_chest_whiter_in_the_lungs_alone() -> None:
    still = torch.zeros(6)
    series = [render_films(Films(still + o, torch.arange(6) - 2.5, still), STILL).grey for o in (0.05, 0.2, 0.5, 0.9)]
    chest = (torch.special.ndtr(torch.arange(6).double() - 2.5) * BANK).long()
    inside = film_chests().air[chest] > 6
    for thin, dense in zip(series, series[1:], strict=False):
        assert all((d - t)[i].mean() > 0.05 for t, d, i in zip(thin, dense, inside, strict=True))
        assert torch.equal(thin[:, -4:], dense[:, -4:])  # the belly
    fresh = series[0]
    assert (fresh[:, 30:60, 46:50].mean((1, 2)) > 0.8).all()  # the spine is white
    assert all(grey[lung].mean() < 0.5 for grey, lung in zip(fresh, film_chests().air[chest] > 8, strict=True))


def test_two_films_of_a_patient_differ_by_their_key_and_two_patients_by_their_anatomy() -> None:
    half = torch.full((2,), 0.3)
    same = render_films(Films(half, half, half)).grey
    other_key = render_films(Films(half, half, torch.tensor([0.1, 0.2]))).grey
    assert torch.equal(same[0], same[1]) and (other_key[0] - other_key[1]).abs().mean() > 0.01
    still = render_films(Films(half, half, torch.tensor([0.1, 0.2])), STILL)
    assert (still.grey[0] - still.grey[1]).abs().mean() < 0.03  # exposure's slope alone
    people = render_films(Films(half, torch.tensor([0.1, 0.2]), half)).grey
    assert (people[0] - people[1]).abs().mean() > 0.02


def test_knobs_of_the_technique() -> None:
    some = films(24)
    plain = _some(some, STILL).grey
    grainy = render_films(some, Technique(noise=0.05, exposure=0.0, placing=0.0)).grey
    assert 0.01 < (grainy - plain).std() < 0.06
    flat = render_films(some, Technique(noise=0.0, exposure=0.0, placing=0.0, contrast=0.5)).grey
    assert flat.std() < 0.8 * plain.std()
    assert film_bytes(torch.tensor([0.0, 0.5, 1.0, 2.0])).tolist() == [0, 128, 255, 255]
    for wrong in ({"noise": -1.0}, {"contrast": 0.0}, {"placing": -0.1}):
        with pytest.raises(ValueError, match="contrast"):
            Technique(**wrong)


def test_the_shipped_reader_reads_other_films_with_an_honest_spread() -> None:
    some = films(300, seed=77)
    read = shipped_film_reader().read(render_films(some).grey)
    error = (read.opacity - some.opacity).abs()
    assert error.median() < 0.03 and error.quantile(0.9) < 0.07
    assert 0.55 < (error < read.spread).float().mean() < 0.8 and (error < 2 * read.spread).float().mean() > 0.88
    assert read.embedding.abs().max() <= 1 and (read.embedding.std(0) > 0.05).all()


def test_a_saved_reader_reads_the_same(tmp_path) -> None:
    grey = render_films(films(5)).grey
    reader = FilmReader(FilmNetwork(FilmConfig(channels=(4, 4), hidden=4, embedding=2)), 1.5)
    again = load_film_reader(reader.save(tmp_path / "film"))
    assert all(torch.equal(a, b) for a, b in zip(reader.read(grey), again.read(grey), strict=True))
    with pytest.raises(FileExistsError, match="film"):
        reader.save(tmp_path / "film")
    with pytest.raises(FileNotFoundError, match=r"film\.json"):
        load_film_reader(tmp_path)
    (tmp_path / "film" / "film.json").write_text('{"kind": "unet"}')
    with pytest.raises(ValueError, match="'film'"):
        load_film_reader(tmp_path / "film")
    with pytest.raises(ValueError, match="hidden"):
        FilmConfig(hidden=0)


def test_training_learns_something_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    reader = train_film_reader(FilmConfig(channels=(4, 8)), FilmTraining(steps=80, batch=24, calibration=64))
    assert torch.equal(before, torch.random.get_rng_state())
    some = films(128, seed=5)
    error = (reader.read(render_films(some).grey).opacity - some.opacity).square().mean()
    assert error < 0.5 * some.opacity.var()
    assert render_films(some).grey.shape == (128, PIXELS, PIXELS)


def test_statistics_of_unlabelled_films_mend_the_reading_of_another_machine() -> None:
    grainy, reader = Technique(noise=0.06), shipped_film_reader()
    before = {name: value.clone() for name, value in reader.network.state_dict().items()}
    some = films(200, seed=9)
    grey = render_films(some, grainy).grey
    aligned = align_films(reader, render_films(films(128, seed=10), grainy).grey)
    plain, mended = ((who.read(grey).opacity - some.opacity).abs().median() for who in (reader, aligned))
    assert mended < 0.8 * plain
    assert all(torch.equal(before[name], value) for name, value in reader.network.state_dict().items())
    with pytest.raises(ValueError, match="at least 8"):
        align_films(reader, grey[:7])
