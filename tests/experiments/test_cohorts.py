import pyarrow.parquet as pq
import pytest
import torch
from posology.experiments.cohorts import COHORT_SPAN, write_cohort
from posology.experiments.sources import SOURCES, clinician, source, true_treatment
from posology.trajectories.records import read_trajectories
from posology.trajectories.rollout import rollout
from posology.trajectories.task_file import load_task


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "sepsis"])
def test_every_cohort_is_read_as_it_was_simulated(name, tmp_path):
    written = write_cohort(name, tmp_path / "cohort", patients=30, seed=2)
    read = read_trajectories(written, load_task(source(name).task)).trajectories
    done = rollout(true_treatment(name), clinician(name, 1.0, 0.0), 30, seed=2 * COHORT_SPAN)
    for part, value in vars(done.trajectories).items():
        assert torch.equal(value, getattr(read, part)) if isinstance(value, torch.Tensor) else value == read.spec, part
    assert pq.read_metadata(written / "truth.parquet").num_rows == int(done.decisions.mask.sum())


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort("sepsis", tmp_path_factory.mktemp("cohorts") / "one", patients=60, seed=3)


def test_reading_a_written_cohort_returns_the_simulated_stays_bit_by_bit(cohort):
    read = read_trajectories(cohort, load_task("sepsis_simulated")).trajectories
    simulated = rollout(true_treatment("sepsis"), clinician("sepsis", 1.0, 0.0), 60, seed=3 * COHORT_SPAN).trajectories
    for name, value in vars(simulated).items():
        assert torch.equal(value, getattr(read, name)) if isinstance(value, torch.Tensor) else value == read.spec


def test_the_truth_has_one_row_per_decision_with_exact_propensities(cohort):
    truth = pq.read_table(cohort / "truth.parquet").to_pandas()
    done = rollout(true_treatment("sepsis"), clinician("sepsis", 1.0, 0.0), 60, seed=3 * COHORT_SPAN)
    assert len(truth) == int(done.decisions.mask.sum())
    assert torch.allclose(
        torch.tensor(truth.log_propensity.to_numpy()), done.decisions.log_behavior[done.decisions.mask]
    )
    assert (truth.log_propensity < 0).all() and truth.infection.between(0, 1.31).all()


def test_cohorts_of_two_seeds_share_no_patient(tmp_path):
    other = write_cohort("sepsis", tmp_path / "two", patients=5, seed=4)
    subjects = read_trajectories(other, load_task("sepsis_simulated")).trajectories.subject
    assert subjects.tolist() == [4 * COHORT_SPAN + i for i in range(5)]


def test_nothing_is_overwritten_and_unknown_names_are_named(cohort, tmp_path):
    with pytest.raises(FileExistsError, match="exists"):
        write_cohort("sepsis", cohort, patients=5)
    with pytest.raises(ValueError, match="sepsis"):
        write_cohort("sepsys", tmp_path / "three", patients=5)
    assert not list(tmp_path.iterdir())
