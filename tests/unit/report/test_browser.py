"""The page in a real browser: quiet, without network, sortable, savable, readable with keys, dark, printable."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import pytest
from browser import CHROMIUM, MISSING, browser
from report_evidence import map_evidence

from pesforge.report import render
from pesforge.report.palette import DARK, LIGHT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture(scope="module")
def evidence(make_evidence):
    return make_evidence(0.022)


@pytest.fixture(scope="module")
def page(evidence, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render(evidence), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def tab(chromium, page):
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.open(page)
    yield chromium
    assert chromium.complaints == []
    assert [address for address in chromium.requests if not address.startswith("blob:")] == [page.as_uri()]


def table(caption):
    return (
        f"[...document.querySelectorAll('table')].find((t) => t.caption.textContent.startsWith({json.dumps(caption)}))"
    )


def column(tab, caption, index):
    return tab.run(f"[...{table(caption)}.tBodies[0].rows].map((row) => row.cells[{index}].textContent)")


def saved(tab, button, name):
    tab.run(f"{button}.click()")
    return list(csv.DictReader(io.StringIO(tab.downloaded(name), newline="")))


def test_tables_are_sorted_by_number_with_the_keyboard_and_back(tab):
    caption = "RMSE of the chosen potential by family"
    head = f"{table(caption)}.tHead.rows[0].cells[2]"
    before = column(tab, caption, 2)
    tab.run(f"{head}.querySelector('button').focus()")
    tab.press("Enter")
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    assert column(tab, caption, 2) == sorted(before, key=float) != before
    tab.press("Enter")
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "descending"
    assert column(tab, caption, 2) == sorted(before, key=float, reverse=True)
    tab.press("Enter")
    assert tab.run(f"{head}.hasAttribute('aria-sort')") is False
    assert column(tab, caption, 2) == before


def test_powers_of_ten_are_sorted_as_numbers_and_what_is_missing_stays_last(tab, evidence):
    caption = "All structures on the map"
    for _ in range(2):
        tab.run(f"{table(caption)}.tHead.rows[0].cells[3].querySelector('button').click()")
        assert column(tab, caption, 3)[-1] == "–"
    tab.run(f"{table('Symmetry')}.tHead.rows[0].cells[4].querySelector('button').click()")
    deviations = tab.run(f"[...{table('Symmetry')}.tBodies[0].rows].map((row) => Number(row.cells[4].dataset.v))")
    known = [value for value in deviations if value is not None]
    assert deviations[: len(known)] == known == sorted(known)
    assert 0 < max(known) < 1e-3


def test_a_saved_table_holds_full_numbers_errors_and_units(tab, evidence):
    button = f"{table('Grid: held-out')}.closest('.scroll').nextElementSibling.firstChild"
    name = "silicon-grid-held-out-errors-geometric-means-over-the-families-stand.csv"
    rows, grid = saved(tab, button, name), evidence["crossvalidate"]["grid"]
    assert len(rows) == len(grid)
    for row, wanted in zip(rows, grid, strict=True):
        assert float(row["Energy (meV/atom)"]) == pytest.approx(wanted["energy_typical_mev_per_atom"], rel=1e-9)
        assert float(row["Energy (meV/atom) standard error"]) == pytest.approx(
            wanted["energy_typical_se_mev_per_atom"], rel=1e-9
        )
    button = f"{table('Headline numbers')}.closest('.scroll').nextElementSibling.firstChild"
    first = saved(tab, button, "silicon-headline-numbers.csv")[0]
    check = next(check for check in evidence["validate"]["checks"] if check["group"] == "accuracy")
    assert (first["Quantity"], first["Potential unit"], first["Outcome"]) == (check["name"], check["unit"], "pass")
    assert float(first["Potential"]) == pytest.approx(check["value"], rel=1e-9)


def test_saved_data_of_figures_are_the_evidence(tab, evidence):
    buttons = "document.querySelector('#fig-{}').querySelectorAll('.tools button')[1]"
    rows = saved(tab, buttons.format("eos"), "silicon-eos.csv")
    eos = evidence["validate"]["eos"]
    for series, key in (("DFT", "dft_ev_per_atom"), ("potential", "potential_ev_per_atom")):
        found = [row for row in rows if row["series"] == series]
        assert [float(row["x"]) for row in found] == pytest.approx(eos["volume_ang3_per_atom"], rel=1e-9)
        assert [float(row["y"]) for row in found] == pytest.approx(eos[key], rel=1e-9)
    assert rows[0]["x quantity"] == "volume (Å³/atom)"
    rows = saved(tab, buttons.format("by-family"), "silicon-by-family.csv")
    forces = {row["y"]: float(row["x"]) for row in rows if row["panel"] == "2"}
    wanted = {row["family"]: row["force_rmse_ev_per_ang"] for row in evidence["validate"]["by_family"]}
    assert forces == pytest.approx(wanted)
    rows = saved(tab, buttons.format("crossvalidation"), "silicon-crossvalidation.csv")
    row = next(row for row in rows if row["y low"])
    wanted = [
        point
        for point in evidence["crossvalidate"]["grid"]
        if row["series"] == f"{point['n_functions']} functions" and float(row["x"]) == point["alpha"]
    ]
    assert float(row["y high"]) - float(row["y"]) == pytest.approx(wanted[0]["energy_typical_se_mev_per_atom"])


def test_a_saved_figure_stands_alone_and_says_what_it_shows(tab):
    tab.run("document.querySelector('#fig-eos').querySelectorAll('.tools button')[0].click()")
    text = tab.downloaded("silicon-eos.svg")
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    names = {child.tag.rpartition("}")[2] for child in root}
    assert {"title", "desc", "metadata", "style"} <= names
    assert f"--ink: {LIGHT['ink']}" in text
    assert set(re.findall(r"var\(--([a-z-]+)\)", text)) <= set(LIGHT)


def test_points_tell_their_values_to_the_mouse_and_to_keys(tab, evidence):
    where = tab.run(
        "(() => { const box = document.querySelector('#fig-elastic svg'); box.scrollIntoView();"
        "const found = JSON.parse(box.querySelector('metadata').textContent)[0];"
        "const [left, top, right, bottom] = found.box; const [low, high] = found.x_limits;"
        "const x = left + (found.series[0].x[0] - low) / (high - low) * (right - left);"
        "const [least, most] = found.y_limits;"
        "const y = bottom + (found.series[0].y[0] - least) / (most - least) * (top - bottom);"
        "const at = new DOMPoint(x, y).matrixTransform(box.getScreenCTM()); return [at.x, at.y]; })()"
    )
    tab.move(where[0] + 2, where[1] - 1)
    assert tab.run("document.querySelector('.tip').innerText").split("\n") == [
        "DFT",
        "C11",
        "elastic constant (GPa): 152.8",
    ]
    tab.move(2, 2)
    assert tab.run("document.querySelector('.tip').hidden")
    tab.run("document.querySelector('#fig-eos svg').focus()")
    tab.press("ArrowRight")
    spoken = tab.run("document.querySelector('[role=status]').textContent")
    assert f"volume (Å³/atom): {evidence['validate']['eos']['volume_ang3_per_atom'][0]:g}" in spoken
    tab.press("Escape")
    assert tab.run("document.querySelector('.tip').hidden")


def test_the_map_shows_a_structure_and_its_atoms(tab):
    tab.run("document.querySelector('#fig-map svg').focus()")
    tab.press("ArrowRight")
    told = tab.run("document.querySelector('.tip').textContent")
    assert "strain-0002" in told
    assert "energy error: -0.63 meV/atom" in told
    tab.press("Enter")
    assert tab.run("document.activeElement.tagName") == "CANVAS"
    inked = (
        "(() => { const c = document.querySelector('canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; return d.reduce((sum, v) => sum + v, 0); })()"
    )
    before = tab.run(inked)
    assert before > 0
    tab.press("ArrowLeft")
    assert tab.run(inked) != before
    tab.press("Escape")
    assert tab.run("document.querySelector('.view').hidden")
    assert tab.run("document.activeElement.tagName") == "svg"


def test_it_is_dark_where_asked_and_light_on_paper_with_everything_open(chromium, page):
    chromium.open(page, dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    rgb = tuple(int(DARK["paper"][i : i + 2], 16) for i in (1, 3, 5))
    assert chromium.run(paper) == f"rgb{rgb}"
    chromium.run(
        "addEventListener('beforeprint', () => {"
        " window.open_parts = document.querySelectorAll('details:not([open])').length; })"
    )
    assert chromium.pdf().startswith(b"%PDF")
    assert chromium.run("window.open_parts") == 0
    assert chromium.run("document.querySelectorAll('details[open]').length") == 0
    chromium.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert chromium.run(paper) == "rgb(255, 255, 255)"
    chromium.call("Emulation.setEmulatedMedia", media="", features=[])


def test_nothing_is_cut_off_on_a_narrow_screen(chromium, page):
    chromium.open(page, width=390)
    assert chromium.run("document.documentElement.scrollWidth") <= 390


def test_the_page_is_whole_without_scripts(chromium, page):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page)
        shown = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        html = chromium.call("DOM.getOuterHTML", nodeId=shown)["outerHTML"]
        assert "<button" not in html.split("<script>")[0].replace('<button type="button">Close', "")
        assert html.count("<svg") == 27
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_map_of_a_thousand_structures_stays_small(evidence):
    many = {**evidence, "map": map_evidence(1000, 64)}
    assert len(render(many).encode()) < 10e6
