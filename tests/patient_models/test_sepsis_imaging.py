"""The septic patient seen on films: the same course, films on demand, and nothing of lung water but what they show."""

import dataclasses

import pytest
import torch
from posology.patient_models.imaging.film_network import FilmConfig, FilmNetwork
from posology.patient_models.imaging.film_reader import FilmReader
from posology.patient_models.sepsis import Sepsis
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.patient_models.sepsis_film_orders import COLUMN, FilmMemory, FilmOrders
from posology.patient_models.sepsis_imaging import SepsisImaging
from posology.patient_models.sepsis_imaging_spec import EMBEDDING, IMAGING_SPEC
from posology.patient_models.sepsis_memory import SepsisMemory
from posology.patient_models.sepsis_observation import opacity
from posology.patient_models.sepsis_protocols import FixedDose, ObservableRule
from posology.patient_models.sepsis_spec import SPEC
from posology.patient_models.simulate import Course
from posology.trajectories.noise import ACTOR, ADMISSION, normals, seeds

FILM, SPO2 = SPEC.feature("film"), SPEC.feature("spo2")
IMAGES = [column for column, feature in enumerate(IMAGING_SPEC.features) if feature.source == "image"]
HIDDEN = len(SepsisMemory._fields)


def course(model, actor, patients: int, decisions: int = 9) -> Course:
    """As `follow`, with the noise of the patient beneath in the same columns: a row's first are the same."""
    rows = seeds(12, patients)
    zero = torch.zeros_like(rows)
    state = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    states, doses = [state], []
    for t in range(decisions):
        doses.append(actor.dose(state, normals(rows, zero, zero + t, actor.noise_dim, stream=ACTOR)))
        state = model.step(
            state, doses[-1], torch.full((patients,), 4.0), normals(rows, zero, zero + t, model.noise_dim)
        )
        states.append(state)
    return Course(tuple(states), torch.stack(doses, 1))


@pytest.fixture(scope="module")
def seen() -> Course:
    return course(SepsisImaging(), FixedDose(30.0, 600.0, 0.08), 200)


def column(states, name: str) -> torch.Tensor:
    return torch.stack([s.memory[:, COLUMN[name]] for s in states], 1)


def test_the_course_is_that_of_the_patient_beneath(seen) -> None:
    plain = course(Sepsis(), FixedDose(30.0, 600.0, 0.08), 200)
    own = [COLUMN[name] for name in ("first_film", "wetness")]
    others = [c for c in range(HIDDEN) if c not in own]
    for a, b in zip(plain.states, seen.states, strict=True):
        assert torch.equal(a.memory[:, others], b.memory[:, others]) and torch.equal(a.outcome, b.outcome)
        assert torch.equal(a.vitals[:, :FILM], b.vitals[:, :FILM]) and torch.equal(a.age[:, :FILM], b.age[:, :FILM])


def test_what_is_read_follows_the_opacity_at_the_last_film(seen) -> None:
    read = torch.stack([s.vitals[:, FILM] for s in seen.states], 1)
    fresh = torch.stack([s.seen[:, FILM] for s in seen.states], 1)
    truth = column(seen.states, "film_opacity")
    now = torch.stack([opacity(SepsisMemory.unpack(s.memory[:, :HIDDEN])) for s in seen.states], 1)
    assert torch.equal(truth[fresh], now[fresh]) and not torch.equal(truth, now)
    error = (read - truth)[fresh].abs()
    assert 0 < error.median() < 0.03 and error.quantile(0.95) < 0.12
    assert torch.corrcoef(torch.stack((read[fresh], truth[fresh])))[0, 1] > 0.95
    images = torch.stack([s.vitals[:, IMAGES] for s in seen.states], 1)
    assert len(IMAGES) == 2 + EMBEDDING and images.isfinite().all()


def test_films_are_ordered_on_what_is_observed() -> None:
    one = torch.ones(6)
    last = FilmMemory(*(0 * one,) * 3, film_hours=0 * one + 8, film_spo2=96 * one, film_fluid=2000 * one)
    hours = torch.tensor([12.0, 12.0, 12.0, 32.0, 30.0, 10.0])
    spo2 = torch.tensor([93.0, 94.0, 96.0, 96.0, 96.0, 80.0])
    fluid = torch.tensor([2000.0, 2000.0, 4400.0, 2000.0, 2000.0, 9000.0])
    ordered = FilmOrders().ordered(last, (hours, spo2), fluid, 80 * one)
    assert ordered.tolist() == [True, False, True, True, False, False]  # fell, not yet, fluid, a day, not yet, too soon
    for wrong in ({"missed": 1.1}, {"apart": 0.0}, {"fall": -1.0}):
        with pytest.raises(ValueError, match="missed"):
            FilmOrders(**wrong)


def test_a_film_is_taken_when_it_was_ordered_and_not_missed(seen) -> None:
    model, weight = SepsisImaging(), seen.states[0].context[:, IMAGING_SPEC.context_column("weight")]
    ordered, taken = [], []
    for before, after in zip(seen.states, seen.states[1:], strict=False):
        last = FilmMemory(*before.memory[:, HIDDEN:].unbind(1))
        alive = after.outcome == 0
        now = after.hours, after.vitals[:, SPO2]
        ordered.append((model.orders.ordered(last, now, after.total_dose[:, 0], weight))[alive])
        taken.append(after.seen[:, FILM][alive])
        assert (after.seen[:, IMAGES] == after.seen[:, FILM : FILM + 1]).all()
        assert torch.equal(model.picture_age(after)[after.seen[:, FILM]], after.age[after.seen[:, FILM]][:, FILM])
    wanted, got = torch.cat(ordered), torch.cat(taken)
    assert not (got & ~wanted).any() and 0.8 < got[wanted].float().mean() < 0.9
    assert 0.1 < got.float().mean() < 0.6


def test_without_a_film_the_last_one_is_carried_on(seen) -> None:
    for before, after in zip(seen.states, seen.states[1:], strict=False):
        old = ~after.seen[:, FILM]
        assert torch.equal(after.vitals[old][:, IMAGES], before.vitals[old][:, IMAGES])
        assert torch.equal(after.age[old][:, IMAGES], before.age[old][:, IMAGES] + 4)
    none = SepsisImaging(orders=FilmOrders(missed=1.0))
    last = course(none, FixedDose(30.0, 600.0, 0.08), 20, decisions=4).states[-1]
    assert (last.age[:, IMAGES] == 16).all() and not last.seen[:, IMAGES].any()


def test_lung_water_reaches_the_agent_through_the_film_alone() -> None:
    """Another true opacity at the last film changes the picture, and nothing that is observed before the next one."""
    model = SepsisImaging()
    state = course(model, FixedDose(30.0, 600.0, 0.08), 40, decisions=2).states[-1]
    memory = state.memory.clone()
    memory[:, COLUMN["film_opacity"]] = 0.9
    other = state.replace(memory=memory)
    assert not torch.equal(model.pictures(state), model.pictures(other))
    noise = torch.full((40, model.noise_dim), 0.3)
    noise[:, -1] = -5.0  # missed
    a, b = (model.step(s, torch.zeros(40, 2), torch.full((40,), 4.0), noise) for s in (state, other))
    assert torch.equal(a.vitals, b.vitals)


def test_the_rule_remembers_what_was_read_and_not_the_truth(seen) -> None:
    read = torch.stack([s.vitals[:, FILM] for s in seen.states], 1)
    spo2 = torch.stack([s.vitals[:, SPO2] for s in seen.states], 1)
    assert torch.equal(column(seen.states, "first_film")[:, -1], read[:, 0])
    wetness = (read[:, 1] - read[:, 0]) / 0.10 + (spo2[:, 0] - spo2[:, 1]) / 6
    assert torch.equal(column(seen.states, "wetness")[:, -1], wetness)
    assert torch.equal(column(seen.states, "observations")[:, -1], torch.full((200,), 10.0))
    wet = course(SepsisImaging(), ObservableRule(), 60, decisions=6)
    assert wet.dose[:, -1, 0].unique().numel() == 2  # dry and wet are told apart by the films


def test_a_row_does_not_depend_on_who_else_had_a_film() -> None:
    many, some = course(SepsisImaging(), SepsisClinician(), 9), course(SepsisImaging(), SepsisClinician(), 1)
    for a, b in zip(many.states, some.states, strict=True):
        assert torch.allclose(a.vitals[:1], b.vitals, rtol=1e-4, atol=1e-4)


def test_features_and_reader_must_fit() -> None:
    for ours, theirs in zip(IMAGING_SPEC.features, SPEC.features, strict=False):
        assert dataclasses.replace(ours, source="record") == theirs
    with pytest.raises(ValueError, match="embedding"):
        SepsisImaging(reader=FilmReader(FilmNetwork(FilmConfig(embedding=3))))
    with pytest.raises(ValueError, match=r"\(B, 39\)"):
        SepsisImaging().admit(None, torch.zeros(2, 38))
