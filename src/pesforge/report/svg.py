"""Drawing style of all figures, and the way from a figure to an inline SVG that follows the page's colours."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pesforge.report.marks import Series, described, marks
from pesforge.report.text import SUPERSCRIPTS

INK, MUTED, GRID = "#101112", "#606162", "#d0d1d2"
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""Colours of Okabe and Ito (2008), distinguishable with every kind of colour vision."""
MARKERS = ("o", "s", "^", "D", "v", "P")
MANY_MARKERS = (*MARKERS, "X", "*", "x", "+", "1", "p", "<", ">", "d", "2")
"""Enough for all families, so that no two differ by their colour alone."""
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    VERMILLION: "vermillion",
    PURPLE: "purple",
    SKY: "sky",
}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
}


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """The drawing style; identifiers inside the SVG depend on `name` and on nothing else."""
    with mpl.rc_context():
        mpl.rcdefaults()
        style: Any = {**STYLE, "svg.hashsalt": name}
        mpl.rcParams.update(style)
        yield


def power_of_ten(value: float, _position: int | None = None) -> str:
    """Tick label of a logarithmic axis: plain from 0.01 to 2000, otherwise m·10ⁿ."""
    if 0.01 <= value < 2000:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    power = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def log_axis(axes: Axes, which: str) -> None:
    """Make axis `which` ("x" or "y") logarithmic with readable labels, also where it spans less than a decade."""
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    low, high = sorted(axis.get_view_interval())
    narrow = low > 0 and high / low < 30
    axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(power_of_ten))


def few_ticks(axes: Axes, x: int = 5, y: int = 5) -> None:
    """Limit the number of intervals between ticks of two linear axes."""
    axes.xaxis.set_major_locator(MaxNLocator(x))
    axes.yaxis.set_major_locator(MaxNLocator(y))


def to_svg(
    figure: Figure,
    name: str,
    description: str,
    data: Sequence[Sequence[Series]] | None = None,
) -> str:
    """`figure` as one SVG element without network references, with colours as variables of the page.

    The numbers that it shows stand in its `metadata` as JSON, as `pesforge.report.marks.marks` gives them.

    Args:
        figure: the figure, drawn inside `drawing(name)`.
        name: prefix of every identifier, unique on the page.
        description: what a reader who cannot see the figure is told first; what its panels show follows.
        data: series of every panel where what is drawn is not the data itself; None: read from what is drawn.
    """
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'\bhref="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    view_box = re.search(r'viewBox="[^"]+"', text)
    assert view_box
    shown = marks(figure, data)
    head = (
        f'<svg {view_box[0]} role="img" aria-label="{escape(description, quote=True)}" aria-describedby="{name}-desc">'
        f'<title>{escape(description)}</title><desc id="{name}-desc">{escape(described(shown))}</desc>'
        f"<metadata>{escape(json.dumps(shown, ensure_ascii=False, separators=(',', ':')), quote=False)}</metadata>"
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)
