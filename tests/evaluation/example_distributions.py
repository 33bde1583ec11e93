"""Made-up spreads of stays: of survival, whose stays end in one of two ways, and of a time in range."""

from posology.evaluation.report import DistributionReport, Estimated, Interval


def estimated(value, half, verdict="supported"):
    return Estimated(value=value, low=value - half, high=value + half, verdict=verdict)


def interval(value, half):
    return Interval(value=value, low=value - half, high=value + half)


def of_survival(policies):
    """Mortality beside each value; only the clinicians and the blends are carried."""
    found = {}
    for name, p in policies.items():
        verdict = "supported" if p.kind in ("clinician", "blend") else "not evaluable"
        value = p.estimates["weighted_importance_sampling"].value if p.estimates else 0.806
        ends = {m: estimated(v, 0.0, verdict) for m, v in (("tenth", 0.0), ("median", 1.0), ("ninetieth", 1.0))}
        found[name] = DistributionReport(
            estimated={
                "worst_tenth": estimated(0.0, 0.0, verdict),
                **ends,
                "deviation": estimated((value * abs(1 - value)) ** 0.5, 0.02, verdict),
                "mortality": estimated(1 - value, 0.03, verdict),
            },
            simulated={"mortality": interval(1 - p.true_value.value, 0.008)} if p.true_value else {},
            measured_in="known truth",
        )
    return found


def of_time_in_range(policies):
    """A value with a range of its own, and nobody dies."""
    found = {}
    for number, (name, p) in enumerate(policies.items()):
        verdict = "supported" if p.kind in ("clinician", "blend") else "not evaluable"
        middle = 0.61 + 0.013 * number
        found[name] = DistributionReport(
            estimated={
                "worst_tenth": estimated(middle - 0.41, 0.05, "weak" if verdict == "supported" else verdict),
                "tenth": estimated(middle - 0.33, 0.04, verdict),
                "median": estimated(middle, 0.02, verdict),
                "ninetieth": estimated(middle + 0.21, 0.02, "not evaluable" if p.share == 0.3 else verdict),
                "deviation": estimated(0.19, 0.01, verdict),
            },
            simulated={
                "worst_tenth": interval(middle - 0.4, 0.01),
                "tenth": interval(middle - 0.32, 0.01),
                "median": interval(middle + 0.01, 0.01),
                "ninetieth": interval(middle + 0.22, 0.01),
                "deviation": interval(0.187, 0.003),
            },
            measured_in="known truth",
        )
    return found
