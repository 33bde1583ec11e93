import pytest
from hypothesis import given
from hypothesis import strategies as st
from posology.evaluation.charts import LEAST_CASES, Series, calibration, lines
from posology.evaluation.figures import MARGIN, axis, heat, heat_difference, mark
from posology.evaluation.report import CalibrationBin
from posology.evaluation.style import Values, like, number, percent, sample, signed, unit

floats = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 6))


@given(st.lists(floats, min_size=1, max_size=20))
def test_an_axis_holds_every_value_and_keeps_their_order(values):
    scale = axis(values)
    assert all(scale.low <= v <= scale.high for v in values)
    assert (scale.ticks[0], scale.ticks[-1]) == (scale.low, scale.high)
    assert 2 <= len(scale.ticks) <= 12
    placed = [scale.at(v) for v in sorted(values)]
    assert placed == sorted(placed)
    assert placed[0] >= MARGIN and placed[-1] <= 100 - MARGIN


def test_an_axis_without_numbers_and_one_within_bounds():
    assert axis([None, float("nan")]).low == 0
    clipped = axis([-3.0, 0.8, 5.0], bounds=(0.0, 1.0))
    assert (clipped.low, clipped.high) == (0.0, 1.0)


def test_a_value_off_the_scale_is_marked_as_such():
    scale = axis([0.0, 1.0])
    assert [m.off for v in (-0.5, 0.5, 7.0) for m in mark(scale, v, "circle", "truth")] == [-1, 0, 1]
    assert mark(scale, None, "circle", "truth") == ()


def test_heat_maps_print_shares_and_differences():
    names = [["", ""]]
    (row,) = heat([[0.25, 0.0004]], 0.25, names)
    assert [c.text for c in row] == ["25", ""]
    assert row[0].opacity == 1 and row[0].dark and not row[1].dark
    (gap,) = heat_difference([[0.1, 0.3]], [[0.3, 0.1]], names)
    assert [(c.text, c.tone) for c in gap] == [("−20", "less"), ("+20", "more")]
    (flat,) = heat_difference([[0.5]], [[0.5]], [[""]])
    assert flat[0].opacity == 0


def test_calibration_leaves_small_bins_out_and_says_how_many():
    bins = [CalibrationBin(predicted=p, observed=p, count=c) for p, c in ((0.1, 200), (0.5, LEAST_CASES - 1), (0.9, 0))]
    plot = calibration(bins, x_label="", y_label="")
    assert plot is not None
    assert len(plot.points) == 1 and plot.dropped == 1
    assert calibration(bins[1:], x_label="", y_label="") is None


def test_calibrated_points_lie_on_the_diagonal():
    bins = [CalibrationBin(predicted=p, observed=p, count=50) for p in (0.1, 0.4, 0.9)]
    plot = calibration(bins, x_label="", y_label="")
    assert plot is not None
    for p in plot.points:
        across = (p.x - plot.left) / (plot.right - plot.left)
        assert (plot.bottom - p.y) / (plot.bottom - plot.top) == pytest.approx(across, abs=1e-4)


def test_line_labels_do_not_overlap_and_gaps_stay_gaps():
    series = [Series(n, "truth", "circle", v) for n, v in (("a", (1.0, 2.0)), ("b", (1.0, 2.01)), ("c", (None, None)))]
    plot = lines(series, ("x", "y"), x_label="", y_label="", say=str)
    assert plot is not None
    assert [line.name for line in plot.lines] == ["a", "b"]
    assert abs(plot.lines[0].label_y - plot.lines[1].label_y) >= 15
    assert lines(series[2:], ("x", "y"), x_label="", y_label="", say=str) is None


def test_numbers_read_well():
    assert number(-0.00001, 2) == "0.00"
    assert number(-3.14159) == "−3.14"
    assert number(12345.0, 0) == "12\u202f345"
    assert percent(0.0002) == "<\u202f0.1\u202f%"
    assert percent(0) == "0.0\u202f%"
    assert percent(None) == number(None) == signed(None) == "–"
    assert signed(0.0) == "0" and signed(0.0004, 2) == "0.00" and signed(0.25, 2) == "+0.25"
    assert [like(71.23, 12.1), like(0.1104, 0.084)] == ["71", "0.110"]
    assert [sample(3.14), sample(312.4)] == ["3.1", "312"]
    assert [unit("ug/kg/min"), unit("1"), unit("mmHg")] == ["µg/kg/min", "", "mmHg"]


def test_values_read_as_percentages_or_as_plain_numbers():
    survival, reward = Values("survival", True), Values("value", False)
    assert survival.value(0.8123) == "81.2\u202f%" and reward.value(0.8123) == "0.812"
    assert survival.range(0.8, 0.823) == "80.0 to 82.3\u202f%"
    assert survival.range(None, 0.8) == "–"
    assert survival.points(-0.064) == "6.4 points" and reward.points(-0.064) == "0.064"
    assert survival.signed(0.064) == "+6.4" and survival.signed(-0.064) == "−6.4" and survival.signed(0.0) == "0.0"
