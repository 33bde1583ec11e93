"""What the imaging studies count: overlap and errors, the true reward, and what a blinded policy sees."""

import torch
from posology.agents.baselines import fixed_policy
from posology.experiments.sources import clinician, true_treatment
from posology.experiments.studies.encoder_real import real_lines
from posology.experiments.studies.encoder_scores import lines_of, scores
from posology.experiments.studies.film_course import course_lines, film_ages, film_counts
from posology.experiments.studies.film_reader import USUAL, _line_through_grey, _score, film_lines
from posology.experiments.studies.imaging_arms import BLIND_TO, ReadSizes, blind, core, judged
from posology.experiments.studies.imaging_scale import COHORTS, _cohort, _files, scale_lines
from posology.patient_models.imaging.encoder_training import Rendered
from posology.patient_models.imaging.film_reader import shipped_film_reader
from posology.patient_models.imaging.shipped import shipped_encoder
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_imaging import TumorImaging
from posology.patient_models.tumor_memory import recall
from posology.patient_models.tumor_spec import FEATURES, SPEC
from posology.trajectories.rollout import rollout


def test_scores_of_the_truth_itself_are_perfect():
    batch = Rendered(smallest=2.0, largest=5.0)(30, torch.Generator().manual_seed(0))
    perfect = scores("truth", lambda hu: batch[1], batch)
    assert perfect.dice == perfect.dice_low == 1 and perfect.volume_error < 0.15
    nothing = scores("nothing", lambda hu: torch.zeros_like(batch[1]), batch)
    assert nothing.dice == 0 and nothing.volume_error == 1
    read = scores("encoder", shipped_encoder(), batch)
    assert 0.7 < read.dice < 1 and 0 <= read.within_one <= read.within_two <= 1
    lines = lines_of([vars(perfect), vars(read)])
    assert len(lines) == 4 and "1.000 (1.000)" in lines[2] and lines[3].startswith("| encoder (30)")
    assert real_lines([{"label": "x", "dice": [0.5, 0.25, 0.0]}])[2] == "| x | 0.50 | 0.25 | 0.00 |"


def test_the_judged_reward_adds_up_to_the_true_shrinkage():
    policy = fixed_policy(2, 10)
    plain = rollout(core(Tumor(8, 0.0, 0.0)), policy, 40, seed=3, keep_memory=True)
    truly = rollout(judged(core(Tumor(8, 0.0, 0.0))), policy, 40, seed=3, keep_memory=True)
    assert torch.equal(plain.memory, truly.memory)
    volume = recall(truly.memory, "volume").clamp_min(0)
    last = truly.decisions.mask.sum(1)
    seen = plain.trajectories.vitals[:, :, SPEC.feature("volume")]
    for row in range(40):
        end = int(last[row])
        if bool(truly.decisions.terminated[row]):
            continue  # the record of a stay that has ended holds no last state
        true_fall = torch.log1p(volume[row, 0]) - torch.log1p(volume[row, end])
        seen_fall = torch.log1p(seen[row, 0]) - torch.log1p(seen[row, end])
        gap = truly.returns[row] - plain.returns[row]
        assert torch.allclose(gap, 0.2 * (true_fall - seen_fall), atol=2e-3)


def test_a_blinded_policy_sees_nothing_of_the_scan():
    plain = core(Tumor())
    state = plain.admit(torch.randn(5, plain.admit_noise_dim, generator=torch.Generator().manual_seed(0)))
    hidden, shown = blind(plain).observe(state), plain.observe(state)
    columns = [k * len(FEATURES) + c for k in range(3) for c in BLIND_TO]
    assert (hidden[:, columns] == 0).all()
    kept = [c for c in range(shown.shape[1]) if c not in columns]
    assert torch.equal(hidden[:, kept], shown[:, kept]) and (shown[:, BLIND_TO[0]] != 0).any()


def test_sizes_read_by_the_encoder_stand_where_the_radiologist_s_do():
    done = rollout(core(ReadSizes(TumorImaging(Tumor(2)))), fixed_policy(2, 10), 20, seed=1, keep_memory=True)
    assert done.trajectories.spec == SPEC
    truth, read = recall(done.memory, "volume")[:, 0], done.trajectories.vitals[:, 0, SPEC.feature("volume")]
    assert (read / truth).log().abs().median() < 0.3


def test_the_reader_of_films_beats_a_line_through_the_mean_grey():
    line = _line_through_grey()
    assert line[1] > 0  # whiter is wetter
    found = _score("some", shipped_film_reader(), line, USUAL, (0.0, 0.95), 64)
    assert found.films == 64 and found.error < 0.5 * found.baseline and 0 < found.within_one <= found.within_two <= 1
    lines = film_lines({"scores": [vars(found)], "zones": {"right upper": 0.5}})
    assert lines[2].startswith("| some (64) | 0.0") and lines[-1].endswith("right upper 0.50.")


def test_films_of_the_cohort_are_counted_by_reason_and_age():
    stays = rollout(true_treatment("sepsis_imaging"), clinician("sepsis_imaging", 1.0, 0.0), 60, keep_memory=True)
    counts, ages = film_counts(stays), film_ages(stays)
    assert 2 < counts["per_stay"] < 19 and abs(counts["fell"] + counts["old"] + counts["fluid"] - 1) < 1e-9
    assert abs(sum(row["share"] for row in ages) - 1) < 1e-6 and ages[0]["error"] < ages[2]["error_high"]
    assert len(course_lines({**counts, "ages": ages})) == 4 + len(ages)


def test_the_jobs_of_the_scale_study_count_their_pictures(tmp_path):
    found = {"rates": {f"{what} {kind}": 1000.0 for what in ("render", "read") for kind in ("scans", "films")}}
    share = 6 / max(COHORTS.values())
    for name in COHORTS:
        row = _cohort(name, tmp_path / name, share)
        assert row["pictures"] > row["patients"] > 3
        found[f"cohort {name}"] = {**row, "cpu": 1.0, "peak_mb": 2.0, "start_mb": 1.0}
    (tmp_path / "files").mkdir()
    files = _files(tmp_path / "files", 1e-3)
    assert files["pictures"] == 10
    lines = scale_lines({**found, "files": {**files, "peak_mb": 2.0, "start_mb": 1.0}})
    assert lines[2] == "| scans | 1,000 | 1,000 |" and "does | 10 |" in lines[-1]
    assert len(lines) == 4 + 3 + len(COHORTS) + 1
