"""A made-up tree of the penalised policy."""

from posology.evaluation.report import Interval, TreeReport, TreeRow


def _leaf(depth, answer, doses, share, probability):
    return TreeRow(depth=depth, answer=answer, doses=doses, share=share, probability=probability)


TREE = TreeReport(
    policy="ppo",
    depth=4,
    leaves=7,
    fidelity=0.713,
    value=Interval(value=0.861, low=0.851, high=0.871),
    difference=Interval(value=-0.015, low=-0.021, high=-0.009),
    measured_in="known truth",
    rows=(
        TreeRow(depth=0, answer=""),
        TreeRow(depth=1, answer="Mean arterial pressure ≤ 66.2 mmHg"),
        TreeRow(depth=2, answer="last dose of norepinephrine ≤ 0.045 ug/kg/min"),
        _leaf(3, "time since admission ≤ 6 h", (375, 0.07), 0.09, 0.81),
        TreeRow(depth=3, answer="time since admission > 6 h"),
        _leaf(4, "Lactate ≤ 3.4 mmol/L", (37.5, 0.07), 0.11, 0.64),
        _leaf(4, "Lactate > 3.4 mmol/L", (150, 0.14), 0.06, 0.58),
        _leaf(2, "last dose of norepinephrine > 0.045 ug/kg/min", (37.5, 0.14), 0.13, 0.72),
        TreeRow(depth=1, answer="Mean arterial pressure > 66.2 mmHg"),
        TreeRow(depth=2, answer="Mean arterial pressure ≤ 78.9 mmHg"),
        _leaf(3, "Urine output ≤ 31 mL/h", (150, 0.07), 0.17, 0.49),
        _leaf(3, "Urine output > 31 mL/h", (37.5, 0.03), 0.21, 0.66),
        _leaf(2, "Mean arterial pressure > 78.9 mmHg", (0, 0), 0.23, 0.93),
    ),
)
