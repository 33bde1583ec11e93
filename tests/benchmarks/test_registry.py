import json

import pytest
import torch
import typer
from posology.benchmarks import BENCHMARKS
from posology.benchmarks.__main__ import main
from posology.benchmarks.registry import Contest, contest, measure


def matrix_products(count):
    a = torch.ones(200, 200)

    def run():
        for _ in range(count):
            a @ a
        return 10

    return run


def test_a_tenth_of_the_work_is_about_ten_times_as_fast():
    fair = Contest(matrix_products(200), matrix_products(20), lambda: None, "products", 5.0, flops=1.0)
    result = measure("fair", fair)
    assert 3 < result.ratio < 40 and result.ratio_low <= result.ratio <= result.ratio_high
    assert result.rounds == 7 and 0 < result.floor_share < 1


def test_unequal_outputs_are_never_timed():
    def unequal():
        raise AssertionError("outputs differ")

    ran = []
    with pytest.raises(AssertionError, match="outputs differ"):
        measure("wrong", Contest(lambda: ran.append(1) or 1, lambda: 1, unequal, "units", 1.0))
    assert ran == []


def test_unknown_benchmarks_name_the_known():
    with pytest.raises(KeyError, match="sepsis_vector_1024"):
        contest(BENCHMARKS, "nothing")


def test_the_command_writes_its_numbers(tmp_path, monkeypatch):
    tiny = Contest(matrix_products(4), matrix_products(2), lambda: None, "products", 1.0)
    monkeypatch.setattr("posology.benchmarks.__main__.contest", lambda table, name: tiny)
    monkeypatch.setattr("posology.benchmarks.__main__.BENCHMARKS", {"tiny": ""})
    with pytest.raises(typer.BadParameter, match="no comparison huge; known: tiny"):
        main(["huge"], tmp_path / "b.json")
    threads = torch.get_num_threads()
    main(["tiny"], tmp_path / "b.json")
    torch.set_num_threads(threads)
    (numbers,) = json.loads((tmp_path / "b.json").read_text())["results"]
    assert numbers["name"] == "tiny" and numbers["unit"] == "products" and numbers["ratio"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_comparison_computes_the_same_on_both_sides(name):
    contest(BENCHMARKS, name).check()
