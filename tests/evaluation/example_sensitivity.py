"""Made-up bounds: of a blend that stands up to some confounding, and of a policy that the records cannot carry."""

from posology.evaluation.report import GammaCurve, GammaPoint, KnownCause, PolicySensitivity, SensitivityReport

GAMMAS = (1, 1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5)
CLINICIANS = 0.806


def curve(value, half, reach, *, tips, verdict="supported"):
    """Bounds that widen by `reach` per doubling, in an interval of half-width `half`."""
    points = []
    for number, gamma in enumerate(GAMMAS):
        wide = reach * number**1.3 / 4
        lower, upper = value - wide, value + 0.8 * wide
        points.append(
            GammaPoint(
                gamma=gamma,
                lower=lower,
                upper=upper,
                low=lower - 0.03,
                high=upper + 0.03,
                gap_low=lower - CLINICIANS - half,
                gap_high=upper - CLINICIANS + half,
            )
        )
    chance, gone = tips
    return GammaCurve(points=tuple(points), tipping=gone, tipping_by_chance=chance, verdict=verdict)


SENSITIVITY = SensitivityReport(
    clinicians=CLINICIANS,
    policies=(
        PolicySensitivity(
            policy="ppo", role="chosen", marginal=curve(0.43219, 0.1, 0.3, tips=(None, 7.654), verdict="not evaluable")
        ),
        PolicySensitivity(
            policy="blend_30",
            role="boldest",
            kept=0.7,
            marginal=curve(0.829, 0.0146, 0.03, tips=(1.328, 1.917)),
            single=curve(0.827, 0.014, 0.02, tips=(1.61, 2.45), verdict="model-based"),
        ),
    ),
    known=(
        KnownCause(name="sofa", label="SOFA score", factor=2.07),
        KnownCause(name="map", label="Mean arterial pressure", factor=1.81),
        KnownCause(name="film", factor=1.02),
    ),
    hidden=0.5,
)
NOTHING_CARRIED = SensitivityReport(clinicians=CLINICIANS, policies=SENSITIVITY.policies[:1])
