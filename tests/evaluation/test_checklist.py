"""The reporting checklist: every item of the guidelines, and no section that the page lacks."""

import json
import re

from posology.evaluation.checklist import ITEMS, TITLES, checklist, write_checklist
from posology.evaluation.page import page


def test_every_item_of_every_guideline_is_there_once():
    of = {g: [i.item for i in ITEMS if i.guideline == g] for g in {i.guideline for i in ITEMS}}
    assert all(len(items) == len(set(items)) for items in of.values())
    numbers = {int(match[0]) for item in of["TRIPOD+AI"] if (match := re.match(r"\d+", item))}
    assert numbers == set(range(1, 28))
    assert {item for item in of["DECIDE-AI"] if item.isdigit()} == {str(n) for n in range(1, 18)}


def test_what_is_reported_is_on_the_page_and_in_the_json(examples):
    for report in (examples.known_truth(), examples.records()):
        html, content = page(report), json.loads(report.model_dump_json())
        for row in checklist(report)["items"]:
            if row["status"] in ("reported", "partly"):
                assert f'id="{row["section"]}"' in html, row
                assert all(field.split(".")[0] in content for field in row["fields"]), row
            else:
                assert not row["section"]


def test_a_section_that_a_run_lacks_is_not_claimed(examples):
    bare = examples.records().model_copy(update={"behavior": None, "external": None})
    states = {(r["guideline"], r["item"]): r["status"] for r in checklist(bare)["items"]}
    assert states["Gottesman 2019", "1a"] == states["TRIPOD+AI", "16"] == "not in this run"
    assert states["TRIPOD+AI", "17"] == "for the authors"


def test_the_contents_name_every_section_of_the_page(examples):
    html = page(examples.known_truth())
    linked = re.findall(r'<li><a href="#(\w+)">', html)
    assert linked == re.findall(r'<section class="(?:part|lesson)" id="(\w+)"', html)
    assert set(linked) <= set(TITLES)


def test_it_is_written_beside_the_report(examples, tmp_path):
    path = write_checklist(examples.records(), tmp_path)
    assert json.loads(path.read_text())["report"]["name"] == "sepsis_mimic" and path.name == "checklist.json"
