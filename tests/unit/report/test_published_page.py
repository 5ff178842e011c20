"""The page of a published table: self-contained, safe, accessible; bold numbers, misses and empty cells as they are."""

import copy
import re
from html.parser import HTMLParser

import pytest

from pesforge.errors import DataError
from pesforge.published.compare import evidence as compare
from pesforge.published.settings import PublishedStudy
from pesforge.report import render_published

VOID = {"meta", "br", "img"}


def fitted(energy, force, copies):
    test = {"energy_mae_mev_per_atom": energy, "force_mae_ev_per_ang": force}
    found = {
        "test": test,
        "test_intervals_90": {key: [0.8 * value, 1.3 * value] for key, value in test.items()},
        "n_structures": {"train": 214, "test": 25},
        "n_functions": 1766,
        "choice": {"text": "1766 functions at cutoffs of 5.6 and 7 Å"},
    }
    return found | ({"test_without_copies": {"n_structures": 22, **test}} if copies else {})


@pytest.fixture
def evidence():
    study = PublishedStudy(name="again", published={"elements": ["Si", "Mo", "Ge", "Li"]})
    metrics = {
        "Si": fitted(1.454, 0.05379, True),
        "Mo": fitted(2.14, 0.0877, False),
        "Ge": fitted(1.9, 0.0449, False),
        "Li": fitted(0.2, 0.004, False),
    }
    label = {
        "file": "test.json",
        "sha256": "0" * 64,
        "n_structures": 25,
        "n_atoms": 1600,
        "families": {"AIMD-NVT": 25},
        "n_stress": 3,
        "stress_remark": "as in the file",
        "warnings": ["one is odd"],
    }
    return {
        "published": compare(
            study, metrics, {element: dict.fromkeys(("training", "test"), label) for element in metrics}
        ),
        "cost": {"fits": [{"element": element, "cpu_seconds": 61.234, "wall_seconds": 70.0} for element in metrics]},
        "provenance": {"study": "again", "study_hash": "abc", "versions": {"numpy": "2"}, "code": {"fitting": "f00"}},
    }


class Reader(HTMLParser):
    """Tags with their attributes; closing tags must match."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_numbers_bold_and_misses(evidence):
    page = render_published(evidence)
    assert "✘ 3 of 4 elements without a miss; misses in Ge" in page
    assert "<b>1.45</b><small>1.2–1.9</small>" in page
    assert "<b>1.79</b>" in page, "MTP is the lowest in the energy of Ge"
    assert "1.90<small>" in page
    assert page.count("<b>0.09</b>") == 2, "GAP and MTP may be as low as 0.085 in the forces of Mo"
    assert page.count("–</td>") == 6, "three elements without copies"
    assert "61.2" in page
    assert "misses: energy 1.90 meV/atom (published MTP 1.79)" in page
    assert "Lower than every published potential in both errors: Si, Li" in page
    assert "Warning: one is odd" in page


def test_local_files_are_not_called_the_published_ones(evidence):
    assert "The labels were downloaded" in render_published(evidence)
    evidence["published"]["downloaded"] = False
    assert "that they are the published ones is for their owner to know" in render_published(evidence)


def test_the_page_fetches_nothing_and_is_accessible(evidence):
    page = render_published(evidence)
    assert not re.search(r"\bsrc\s*=|@import|<link|<iframe|<object|<embed|href=\"http|url\(http", page)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    identifiers = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(identifiers)
    assert sum(tag == "caption" for tag, _ in reader.tags) == sum(tag == "table" for tag, _ in reader.tags)
    assert all(attrs.get("scope") for tag, attrs in reader.tags if tag == "th")
    (drawing,) = (attrs for tag, attrs in reader.tags if tag == "svg")
    assert drawing["aria-label"]
    assert page == render_published(copy.deepcopy(evidence))


def test_text_from_outside_is_escaped(evidence):
    attack = "<script>alert(1)</script>"
    evidence["provenance"]["study"] = attack
    evidence["published"]["labels"][0]["file"] = attack
    evidence["published"]["labels"][0]["warnings"] = [attack]
    page = render_published(evidence)
    assert re.findall(r"<script[^>]*>", page) == ["<script>"], "the page's own"
    assert "alert(" not in re.search(r"<script>(.*?)</script>", page, flags=re.DOTALL)[1]
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("key", ["rows", "verdicts", "fits", "labels"])
def test_a_missing_key_is_an_error(evidence, key):
    del evidence["published"][key]
    with pytest.raises(DataError, match=f"`published.{key}` is missing"):
        render_published(evidence)
