import re
from html.parser import HTMLParser
from pathlib import Path

import posology.evaluation.page as page_module
import pytest
from posology.evaluation.page import page, write_page
from posology.evaluation.report import Cohort, Interval, PolicyReport, Report, SimulatorReport

VOID = {"meta", "link", "br", "hr", "img", "input", "circle", "line", "rect", "path", "polyline"}


class Outline(HTMLParser):
    """Checks that tags balance, and collects what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}, line {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def told(self):
        """Everything that a reader sees or hears."""
        spoken = [attrs.get(name) or "" for _, attrs in self.tags for name in ("aria-label", "title")]
        return " ".join(self.words + spoken).replace("\u202f", " ")

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(params=["known_truth", "records"])
def report(request, examples):
    return getattr(examples, request.param)()


@pytest.fixture
def bare(examples):
    """The least that a report may hold."""
    full = examples.records()
    return Report(
        name="bare",
        title="Bare",
        config_hash="0",
        created="2025-01-01",
        estimand=full.estimand,
        cohort=Cohort(fingerprint="0", patients=0, stays=0, flow=()),
        behavior=None,
        policies={"a": PolicyReport(label="A", kind="other")},
        simulator=SimulatorReport(kind="none"),
        provenance=full.provenance,
    )


def test_no_request_leaves_the_page(report):
    text = page(report)
    assert "<script" not in text and "@import" not in text and "url(" not in text
    for tag, attrs in Outline(text).tags:
        for name in ("src", "href", "srcset", "xlink:href", "data"):
            target = attrs.get(name)
            assert target is None or target.startswith("#") or target == "data:,", f"<{tag} {name}={target}>"
    assert len(text.encode()) < 3_000_000


def test_structure_serves_readers_who_cannot_see_it(report):
    outline = Outline(page(report))
    assert len(outline.all("h1")) == 1 and len(outline.all("main")) == 1
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    linked = [a["href"][1:] for a in outline.all("a")]
    labelled = [attrs["aria-labelledby"] for _, attrs in outline.tags if "aria-labelledby" in attrs]
    assert set(linked + labelled) <= set(ids)
    assert all(s.get("aria-label") for s in outline.all("svg") if s.get("role") == "img")
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all("scope" in th for th in outline.all("th"))
    assert outline.all("html")[0]["lang"] == "en"


def test_an_estimate_that_is_not_evaluable_is_not_printed(examples):
    report = examples.known_truth()
    policy = report.policies["ppo"]
    told = {"value": 0.98765, "low": 0.43434, "high": 0.56565, "error": 0.31313}
    told["simulator_gap"] = Interval(value=0.22222, low=0.21212, high=0.23232)
    weighted = {n: e for n, e in policy.estimates.items() if e.verdict == "not evaluable"}
    assert len(weighted) == 4
    hidden = {**policy.estimates, **{name: e.model_copy(update=told) for name, e in weighted.items()}}
    changed = report.model_copy(
        update={"policies": {**report.policies, "ppo": policy.model_copy(update={"estimates": hidden})}}
    )
    text = Outline(page(changed)).told
    for digits in ("98.8", "43.4", "56.6", "31.3", "22.2", "21.2", "98765"):
        assert digits not in text
    assert "0.98765" in changed.model_dump_json()
    shown = {name: e.model_copy(update={"verdict": "supported"}) for name, e in hidden.items()}
    changed = report.model_copy(
        update={"policies": {**report.policies, "ppo": policy.model_copy(update={"estimates": shown})}}
    )
    text = Outline(page(changed)).told
    assert "98.8 %" in text and "43.4 to 56.6 %" in text and "+31.3" in text
    assert "+22.2" in text and "+21.2 to +23.2" in text


def test_what_is_shown_is_what_the_report_holds(examples):
    report = examples.known_truth()
    text = page(report).replace("\u202f", " ")
    for policy in report.policies.values():
        assert policy.label in text
        for value in (policy.simulator_value, policy.true_value):
            assert value is None or f"{value.value * 100:.1f} %" in text
        for constraint in policy.constraints.values():
            assert f"{constraint.low * 100:.1f} to {constraint.high * 100:.1f} %" in text
    for step in report.cohort.flow:
        assert step.step[1:] in text
    assert report.cohort.fingerprint in text and report.config_hash in text


def test_the_banner_comes_first_and_truth_only_where_it_is_known(examples):
    known, records = page(examples.known_truth()), page(examples.records())
    for text in (known, records):
        assert text.index("Research only, not for care") < text.index("<h1")
        assert text.index("<h1") < text.index('id="lesson"') < text.index('id="policies"') < text.index('id="cohort"')
    assert "True value" in known and "True value" not in records


def test_reasons_and_the_ranking_are_told(examples):
    report = examples.known_truth()
    told = Outline(page(report.model_copy(update={"ranking": ()}))).told
    assert "Effective sample size 38 is under 50" in told
    assert "Does a score keep the true order of the policies?" in told
    assert "Does a score keep" not in Outline(page(examples.records())).told


def test_text_from_outside_is_escaped(report):
    hostile = '<script>alert("x")</script>'
    text = page(report.model_copy(update={"title": hostile, "name": hostile, "limits": (hostile,)}))
    assert "<script" not in text and "&lt;script&gt;" in text
    Outline(text)


def test_a_bare_report_makes_a_page(bare, tmp_path):
    path = write_page(bare, tmp_path)
    assert path == tmp_path / "report.html"
    Outline(path.read_text())
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_same_report_same_page(report):
    assert page(report) == page(Report.model_validate_json(report.model_dump_json()))


def colours(css, block):
    body = css[css.index(block) :]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", body[: body.index("}")]))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("block", [":root {", "(prefers-color-scheme: dark)"])
def test_text_keeps_its_contrast_in_light_and_dark(block):
    """WCAG 2.1: 4.5 for text, 3 for marks."""
    css = (Path(page_module.__file__).parent / "templates" / "style.css").read_text()
    found = colours(css, block)

    def contrast(a, b):
        low, high = sorted(luminance(found[name]) for name in (a, b))
        return (high + 0.05) / (low + 0.05)

    for ink in ("ink", "muted", "truth", "claim", "estimate"):
        assert contrast(ink, "paper") >= 4.5, ink
    assert contrast("notice", "notice-bg") >= 4.5
    assert contrast("quiet", "paper") >= 3
    assert contrast("on-heat", "heat") >= 4.5 and contrast("on-heat", "less") >= 4.5


def test_irregular_visits_are_called_so(examples):
    known = examples.known_truth()
    estimand = known.estimand.model_copy(update={"irregular": True, "interval_hours": 72.0})
    told = Outline(page(known.model_copy(update={"estimand": estimand}))).told
    assert told.count("at visits 72 h or more apart") == 3 and "every 72 h" not in told
    assert Outline(page(known)).told.count("every 4 h") == 3


def test_a_shaped_reward_never_stands_without_the_unshaped_value(examples):
    report = examples.known_truth()
    assert "shaped reward" not in Outline(page(report)).told
    shaped = Interval(value=1.234, low=1.2, high=1.27)
    policies = {**report.policies, "ppo": report.policies["ppo"].model_copy(update={"shaped_value": shaped})}
    told = Outline(page(report.model_copy(update={"policies": policies}))).told
    row = told[told.index("Shaped reward, claimed") :][:400]
    for text in ("PPO, penalty 2", "1.234", "1.200 to 1.270", "92.1 %", "87.6 %"):
        assert text in row


def test_a_page_with_everything_on_it_stays_under_three_megabytes(examples):
    report = examples.known_truth()
    many = {f"{name}_{i}": p for i in range(4) for name, p in report.policies.items()}
    assert len(page(report.model_copy(update={"policies": many})).encode()) < 3e6


def test_the_simulators_word_stands_beside_the_records_and_a_difference_is_named(examples, bare):
    report = examples.known_truth()
    told = Outline(page(report)).told
    table = told[told.index("Simulator minus records") : told.index("Does a score keep")]
    for policy in report.policies.values():
        own = policy.estimates.get("simulated_direct_method")
        assert own is None or f"{own.value * 100:.1f} %" in table
    near = {}
    for name, policy in report.policies.items():
        far = Interval(value=0.05, low=0.01 if name == "blend_30" else -0.01, high=0.09)
        near[name] = policy.model_copy(
            update={
                "estimates": {n: e.model_copy(update={"simulator_gap": far}) for n, e in policy.estimates.items()},
            }
        )
    told = Outline(page(report.model_copy(update={"policies": near}))).told
    assert "differ by more than chance for 1 of 3 policies: 30 % of PPO, penalty 2." in told
    fitted = report.policies["behavior"].estimates
    both = {**near, "clinician": near["clinician"].model_copy(update={"estimates": fitted})}
    told = Outline(page(report.model_copy(update={"policies": both}))).told
    table = told[told.index("Simulator minus records") : told.index("Does a score keep")]
    assert "Clinicians" in table and "Fitted clinician" not in table, "one and the same in the simulator"
    assert "nothing confirms what the simulator says" in Outline(page(examples.records())).told
    assert "Do simulator and records agree?" not in Outline(page(bare)).told


def test_how_strong_a_hidden_cause_would_have_to_be_is_told_where_there_is_a_number(examples, bare):
    report = examples.known_truth()
    text = page(report)
    told = Outline(text).told
    section = text[text.index('id="confounding"') : text.index('id="task"')].replace("\u202f", " ")
    for number in ("+2.3 (+0.8 to +3.8) points", "up to 1.32 times", "from 1.91 times on", "gives 1.61 for chance"):
        assert number in section, number
    assert "19 of 20 patients: SOFA score 2.1, mean arterial pressure 1.8." in section
    assert "true difference, +2.1, lies in the interval without" in section and "moves every dose" in section
    assert section.count('class="chart bands"') == 1 and "43.2" not in told and "7.65" not in told
    assert "“30 % of PPO, penalty 2”: If nothing hidden" in told and "told under “Hidden causes”" in told
    assert "0.43219" in report.model_dump_json()
    nothing = page(examples.records())
    assert 'id="confounding"' in nothing and "no advantage that a hidden cause could undo" in nothing
    assert "chart bands" not in nothing and "never charted?" not in nothing
    without = Outline(page(bare)).told
    assert "Hidden causes" not in without and "no number on this page can show by how much" in without


@pytest.mark.parametrize(
    ("chance", "gone", "said"),
    [
        (1.0, 3.2, "could be chance: there is no advantage for a hidden cause to explain"),
        (None, None, "No hidden cause that changes the odds up to 100 times makes that advantage chance"),
        (1.4, None, "but some of it would always be left"),
    ],
)
def test_every_way_a_difference_may_tip_has_its_sentence(examples, chance, gone, said):
    report = examples.known_truth()
    blend = report.sensitivity.policies[1]
    marginal = blend.marginal.model_copy(update={"tipping_by_chance": chance, "tipping": gone})
    policies = (blend.model_copy(update={"marginal": marginal}),)
    changed = report.model_copy(update={"sensitivity": report.sensitivity.model_copy(update={"policies": policies})})
    text = page(changed)
    assert said in text and text.count('class="tipped"') == (chance not in (None, 1.0))
    harm = marginal.model_copy(update={"points": tuple(p.model_copy(update={"lower": 0.7}) for p in marginal.points)})
    policies = (blend.model_copy(update={"marginal": harm}),)
    changed = report.model_copy(update={"sensitivity": report.sensitivity.model_copy(update={"policies": policies})})
    assert said.replace("advantage", "disadvantage") in page(changed)


def test_the_tree_is_printed_in_order_with_what_is_left_of_the_policy(examples, bare):
    report = examples.known_truth()
    text = page(report)
    told = Outline(text).told.replace("\u00a0", " ")
    assert 'id="tree"' in text and 'href="#tree"' in text and 'id="tree"' not in page(bare)
    order = [told.index(line) for line in ("pressure ≤ 66.2 mmHg", "≤ 0.045 µg/kg/min", "pressure > 66.2 mmHg")]
    assert order == sorted(order)
    for number in ("71.3 %", "86.1 % (85.1 to 87.1)", "−1.5 (−2.1 to −0.9) points", "Survival of the tree"):
        assert number in told, number
    section = text[text.index('id="tree"') : text.index('id="subgroups"')]
    assert section.count('class="leaf"') == report.tree.leaves
    assert "37.5 mL/h" in section and "0.14 µg/kg/min" in section
