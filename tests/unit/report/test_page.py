"""The page: self-contained, complete, safe, accessible, and the same bytes every time."""

import copy
import itertools
import json
import os
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import pytest

from pesforge.errors import DataError
from pesforge.report import render
from pesforge.report.evidence import SHAPE
from pesforge.report.text import number

VOID = {"meta", "br", "link", "img", "hr", "input"}
CURVES = {"bands", "dos", "place", "ticks", "frequency_thz", "times_ps", "change_mev_per_atom", "rdf"}
NOT_IN_TABLES = {"parity", "curve", "edges", "start_ang", "width_ang", "cell", "positions", "elements", *CURVES}
TWO_DIGITS = ("_se", "standard_error", "typical", "msd_ang2", "rise_ev_per_atom")
"""Standard errors, and what they leave of the numbers beside them."""


class Reader(HTMLParser):
    """Collects tags, attributes and the text that people read; closing tags must match."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script", "metadata"} & set(self.open):
            self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def evidence(make_evidence):
    return make_evidence(0.022)


@pytest.fixture(scope="module")
def page(evidence):
    return render(evidence)


@pytest.fixture(scope="module")
def reader(page):
    return read(page)


def numbers(value, least=3):
    """All numbers of the evidence that people shall be able to read, each with the digits that it has at least."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in NOT_IN_TABLES:
                yield from numbers(item, 2 if any(part in key for part in TWO_DIGITS) else 3)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item, least)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value, least


def plain(token):
    """A token without zeros that say how exact it is: 0.930 as 0.93."""
    try:
        return number(float(token))
    except ValueError:
        return token


def test_nothing_is_fetched_from_elsewhere(page):
    assert not re.search(r"https?:|ftp:|\bsrc\s*=|@import|<link|<iframe|<object|<embed", page)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_every_number_of_the_evidence_can_be_read(evidence, reader):
    shown = {key: value for key, value in evidence.items() if key not in ("sample", "cost")}
    shown["sample"] = {key: value for key, value in evidence["sample"].items() if key != "strain"}
    shown["cost"] = {key: value for key, value in evidence["cost"].items() if key != "dft_share"}
    shown["ledger"] = {key: value for key, value in evidence["ledger"].items() if key != "convergence"}
    tokens = {plain(token.rstrip(".")) for token in re.findall(r"[^\s,;:()]+", " ".join(reader.words))}
    values = set(numbers(shown))
    assert len(values) > 300
    assert sorted(value for value, least in values if tokens.isdisjoint(map(number, (value,) * 3, (4, 3, least)))) == []


def test_the_page_says_what_convergence_cost_and_how_far_one_crystal_is_apart(evidence, reader):
    text = " ".join(" ".join(reader.words).split())
    assert "Numerical convergence took 6.8 min of DFT, the labels that it serves 14.1 min." in text
    assert "One crystal in 3 cells: energies within 0.046 meV/atom at the chosen spacing" in text
    dear = copy.deepcopy(evidence)
    dear["ledger"]["convergence"] |= {"converge_seconds": 900.0, "cheaper_than_labels": False}
    assert "more than the labels themselves" in render(dear)
    plain = copy.deepcopy(evidence)
    for scan in plain["converge"]["scans"]:
        scan["shapes"] = []
    assert "Cells of other shape" not in render(plain)


def test_the_same_evidence_gives_the_same_bytes(evidence, page):
    code = "import json, sys; from pesforge.report import render; "
    code += "sys.stdout.buffer.write(render(json.load(sys.stdin)).encode())"
    other = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(evidence).encode(),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
    )
    assert other.stdout == page.encode()


def test_the_page_is_small(page):
    assert len(page.encode()) < 3e6


def test_text_from_outside_is_escaped(evidence):
    attack = "<script>alert(1)</script>"
    changed = copy.deepcopy(evidence)
    changed["provenance"]["study"] = attack
    changed["provenance"]["versions"][attack] = attack
    changed["label"]["failed"][0]["message"] = attack
    changed["choose"]["candidates"][0]["name"] = f'" onload="{attack}'
    changed["converge"]["settings_hash"] = f'"><{attack}'
    changed["validate"]["by_family"][0]["family"] = attack
    changed["crossvalidate"]["parity"]["energy_ev_per_atom"]["family"][0] = attack
    changed["cost"]["stages"][0]["stage"] = attack
    changed["validate"]["elastic_gpa"]["dft"][attack] = 1.0
    changed["converge"]["scans"][0]["parameter"] = 'x"><script>alert(2)</script>'
    changed["converge"]["scans"][0]["unit"] = attack
    changed["map"]["structures"][0]["id"] = attack
    found = render(changed)
    assert re.findall(r"<script[^>]*>", found) == ['<script type="application/json" id="structures">', "<script>"]
    assert not re.search(r"<[a-z][^>]*\sonload=", found)
    assert "alert(" not in re.search(r"<script>(.*?)</script>", found, flags=re.DOTALL)[1]
    assert "&lt;script&gt;alert(1)" in found
    read(found)


def test_the_verdict_comes_first_and_in_words(page, reader):
    assert "✔ Usable for “balanced”" in page
    headings = [attrs["id"] for tag, attrs in reader.tags if tag == "h2"]
    assert headings[0] == "verdict"
    assert "may be used for its stated purpose" in page


def test_a_failed_check_shows_in_the_verdict_and_in_the_table(make_evidence):
    found = render(make_evidence(0.0512))
    text = unescape(" ".join(read(found).words))
    assert "✘ Not usable for “balanced”" in text
    assert "force RMSE: off by 0.0512 eV/Å, allowed 0.03 eV/Å" in text
    assert "Failed: force RMSE." in text
    assert text.count("fail") > 2
    assert re.search(r"<b>1</b> checks failed", found)


def test_outcomes_are_words_beside_colours(page):
    assert page.count("</span>pass</span>") > 10
    assert "</span>not applicable</span>" in page


def test_the_page_is_accessible(reader):
    tags = reader.tags
    assert next(attrs for tag, attrs in tags if tag == "html")["lang"] == "en"
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in tags if tag == "th")
    drawings = [attrs for tag, attrs in tags if tag == "svg"]
    assert len(drawings) == 27
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags)


def test_identifiers_are_unique_and_references_resolve(page, reader):
    identifiers = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    targets = set(re.findall(r'href="#([^"]*)"', page)) | set(re.findall(r"url\(#([^)]*)\)", page))
    assert targets <= set(identifiers)


def test_colours_follow_the_page(page):
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--ink)" in drawings
    assert not re.search(r"#[0-9a-f]{6}", drawings)
    for variable in set(re.findall(r"var\((--[a-z]+)\)", page)):
        assert page.count(f"{variable}:") >= 1
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("stage", sorted(SHAPE))
def test_a_missing_stage_is_an_error(evidence, stage):
    with pytest.raises(DataError, match=f"`{stage}` is missing"):
        render({key: value for key, value in evidence.items() if key != stage})


@pytest.mark.parametrize(
    "path",
    [
        ("validate", "verdict", "usable"),
        ("converge", "scans", 1, "rows", 0, "stress_change_gpa"),
        ("cost", "stages", 2, "jobs"),
        ("curate", "influence", "top"),
        ("validate", "eos", "dft_ev_per_atom"),
    ],
)
def test_a_missing_key_is_named(evidence, path):
    changed = copy.deepcopy(evidence)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(DataError, match=str(path[-1])):
        render(changed)


def test_wrong_kinds_are_named(evidence):
    with pytest.raises(DataError, match=r"`train\.runs` must be a list"):
        render({**evidence, "train": {**evidence["train"], "runs": "none"}})


def emptied(value, shape):
    """Evidence with every list empty and every number null."""
    if isinstance(value, dict):
        inner = shape if isinstance(shape, dict) else {}
        return {key: emptied(item, inner.get(key)) for key, item in value.items() if not shape or key in shape}
    if isinstance(value, list):
        return []
    if isinstance(value, float):
        return None
    return value


def test_a_study_without_results_still_gives_a_page(evidence):
    empty = {stage: emptied(value, SHAPE[stage]) for stage, value in evidence.items()}
    for key in ("eos", "elastic_gpa", "phonon_thz", "hull", "spectrum", "dynamics"):
        empty["validate"][key] = None
    found = render(empty)
    read(found)
    assert "Equation of state: not computed." in found
    assert "convex hull: not asked for" in found
    assert "None" not in " ".join(read(found).words)


def test_the_ledger_says_what_families_bought_and_that_a_single_one_cannot_be_compared(evidence):
    found = unescape(" ".join(read(render(evidence)).words))
    assert "Of use to the others: thermal; a burden only: volume; no measurable difference: strain" in found
    alone = copy.deepcopy(evidence)
    alone["ledger"] |= {"bought": [], "trials": [], "remark": "Nothing can be compared."}
    found = unescape(" ".join(read(render(alone)).words))
    assert "Nothing can be compared." in found
    assert "Mean over the others" not in found


def test_intervals_that_hold_and_those_that_do_not_are_told_apart(evidence):
    found = unescape(" ".join(read(render(evidence)).words))
    assert "Calibrated intervals hold what they promise for energy; they do not hold for force" in found
    none = copy.deepcopy(evidence)
    none["uncertainty"] |= {"kinds": [], "coverage": [], "curve": [], "by_family": [], "remark": "Too few errors."}
    page = render(none)
    assert "Too few errors." in page
    assert 'id="fig-uncertainty"' not in page
    read(page)


def test_a_hull_of_one_element_has_a_table_and_no_figure(evidence):
    changed = copy.deepcopy(evidence)
    changed["validate"]["hull"]["elements"] = ["Si"]
    found = render(changed)
    assert 'id="fig-hull"' in render(evidence)
    assert 'id="fig-hull"' not in found
    assert "SiC rocksalt" in found


def test_a_potential_without_formation_energies_says_so(evidence):
    changed = copy.deepcopy(evidence)
    hull = changed["validate"]["hull"]
    for row in hull["phases"]:
        for key in ("formation_potential_mev_per_atom", "above_hull_potential_mev_per_atom"):
            row[key] = None
    hull["chemical_potentials_ev"]["potential"] = {}
    assert "The potential gives no formation energies" in render(changed)


def test_labels_without_stress_are_drawn_without_it(evidence):
    changed = copy.deepcopy(evidence)
    for row in changed["crossvalidate"]["grid"]:
        row["stress_rmse_gpa"] = row["stress_rmse_se_gpa"] = None
    for row in (*changed["choose"]["candidates"], *changed["validate"]["by_family"]):
        row["stress_rmse_gpa"] = None
    read(render(changed))
