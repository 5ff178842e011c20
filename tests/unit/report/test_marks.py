"""Numbers that are read from drawn figures are those that were drawn, and their places are where the marks are."""

import json
import re
from html import unescape

import numpy as np
import pytest

from pesforge.report import svg
from pesforge.report.figures import panels
from pesforge.report.marks import marks
from pesforge.report.palette import DARK, LIGHT, PRINT, contrast

TEXT = ("ink", "muted", "blue", "good", "near", "bad")
DRAWN = ("blue", "orange", "green", "vermillion", "purple", "sky")


def drawn(draw):
    with svg.drawing("test"):
        figure, (axes,) = panels(1)
        draw(axes)
        axes.set_xlabel("time (s)")
        text = svg.to_svg(figure, "test", "A & B")
    found = json.loads(unescape(re.search(r"<metadata>(.*?)</metadata>", text, flags=re.DOTALL)[1]))
    return text, found[0]


def test_lines_points_errors_bars_and_bands_are_read_as_they_were_given():
    def draw(axes):
        axes.errorbar([1.0, 2.0], [3.0, 4.0], xerr=[0.1, 0.2], yerr=[[0.5, 1.0], [1.5, 2.0]], label="e")
        axes.plot([1.0, np.nan], [2.0, 5.0], label="l")
        axes.scatter([7.0], [8.0], label="p")
        axes.fill_between([0.0, 1.0], [2.0, 3.0], [4.0, 6.0], label="b")
        axes.axhline(2.5, label="limit")
        axes.bar([0, 1], [2.0, 3.0], bottom=[1.0, 0.0], label="v")

    series = {item["name"]: item for item in drawn(draw)[1]["series"]}
    assert (series["e"]["x_low"], series["e"]["x_high"]) == ([0.9, 1.8], [1.1, 2.2])
    assert (series["e"]["y_low"], series["e"]["y_high"]) == ([2.5, 3.0], [4.5, 6.0])
    assert (series["l"]["x"], series["l"]["y"]) == ([1.0, None], [2.0, 5.0])
    assert (series["p"]["x"], series["p"]["y"]) == ([7.0], [8.0])
    assert (series["b"]["x"], series["b"]["y_low"], series["b"]["y_high"]) == ([0.0, 1.0], [2.0, 3.0], [4.0, 6.0])
    assert (series["limit"]["x"], series["limit"]["y"]) == ([None], [2.5])
    assert (series["v"]["x"], series["v"]["y"], series["v"]["base"]) == ([0.0, 1.0], [2.0, 3.0], [1.0, 0.0])


@pytest.mark.parametrize("log", [False, True])
def test_limits_and_boxes_say_where_a_point_is(log):
    def draw(axes):
        axes.plot([1.0, 30.0], [2.0, 500.0], "o")
        if log:
            axes.set_xscale("log")
            axes.set_yscale("log")

    text, panel = drawn(draw)
    placed = []
    for name, (start, end) in (("x", panel["box"][0::2]), ("y", panel["box"][3::-2])):
        low, high, value = (np.log(v) if log else v for v in (*panel[f"{name}_limits"], panel["series"][0][name][1]))
        placed.append(start + (value - low) / (high - low) * (end - start))
    uses = re.findall(r'<use href="#test-m[^"]*" x="([\d.]+)" y="([\d.]+)" style="fill: var\(--blue\)|<use [^>]*', text)
    every = [tuple(map(float, re.findall(r'[xy]="([\d.]+)"', use))) for use in re.findall(r"<use [^>]*>", text)]
    assert uses
    assert any(np.allclose(place, placed, atol=0.02) for place in every)


def test_names_of_ticks_quantities_and_words_are_kept():
    text, panel = drawn(lambda axes: (axes.barh([0, 1], [3.0, 4.0]), axes.set_yticks([0, 1], ["a<b", "c"])))
    assert panel["y_names"] == [[0.0, "a<b"], [1.0, "c"]]
    assert panel["x"] == "time (s)"
    assert "<title>A &amp; B</title>" in text
    assert "a<b" not in text
    assert 'role="img"' in text


def test_an_axis_shared_with_another_has_its_quantity():
    with svg.drawing("test"):
        figure, _ = panels(1)
        figure.clf()
        axes = figure.subplots(2, 1, sharex=True)
        axes[1].set_xlabel("r (Å)")
        assert [panel["x"] for panel in marks(figure)] == ["r (Å)", "r (Å)"]


@pytest.mark.parametrize("scheme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_contrast_of_words_and_drawings(scheme):
    for name in TEXT:
        assert contrast(scheme[name], scheme["paper"]) >= 4.5
        assert contrast(scheme[name], scheme["raised"]) >= 4.5
    for name, paper in (("ink", "good-paper"), ("ink", "bad-paper"), ("good", "good-paper"), ("bad", "bad-paper")):
        assert contrast(scheme[name], scheme[paper]) >= 4.5
    assert all(contrast(scheme[name], scheme["paper"]) >= 3 for name in DRAWN)
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
