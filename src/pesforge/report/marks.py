"""The numbers behind a figure, read from what was drawn: points, lines, bars and bands with names, units and places."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, FillBetweenPolyCollection, PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

POINTS_PER_INCH = 72.0
Series = dict[str, Any]
"""What is drawn of one kind: `name`; `x` and `y`; `x_low`, `x_high`, `y_low`, `y_high` of bars of errors and of bands;
`base` under bars that stand on others; `text` of single points; `drawn`: whether `x` and `y` are places on the axes."""


def marks(figure: Figure, given: Sequence[Sequence[Series]] | None = None) -> list[dict[str, Any]]:
    """The panels of a drawn figure: quantities, limits and place of the axes, and all series.

    Args:
        figure: the figure, after it was drawn: its layout is final.
        given: series of every panel in the place of those found; None: what is drawn is the data.
    """
    width, height = (POINTS_PER_INCH * size for size in figure.get_size_inches())
    found: list[dict[str, Any]] = []
    for index, axes in enumerate(figure.axes):
        box = axes.get_position()
        panel: dict[str, Any] = {
            "title": axes.get_title(),
            "box": _short([box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height], 5),
        }
        for name, axis, limits in (("x", axes.xaxis, axes.get_xlim()), ("y", axes.yaxis, axes.get_ylim())):
            panel[name] = _quantity(axes, name) or (found[0][name] if found else "")
            panel[f"{name}_limits"] = _short(limits)
            panel[f"{name}_log"] = axis.get_scale() == "log"
            panel[f"{name}_names"] = _names(axis)
        panel["series"] = list(_series(axes)) if given is None else [{"drawn": False, **item} for item in given[index]]
        found.append(panel)
    return found


def described(panels: Sequence[dict[str, Any]]) -> str:
    """What is drawn in which panel, in words."""
    parts = []
    for panel in panels:
        names = ", ".join(_counted(series) for series in panel["series"])
        axes = f"{panel['y'] or 'values'} against {panel['x'] or 'names'}".replace("\n", " ")
        parts.append(f"{panel['title'] + ': ' if panel['title'] else ''}{axes}: {names or 'nothing'}.")
    return " ".join(parts)


def _counted(series: Series) -> str:
    count = len(series["x"])
    return f"{series['name'] or 'values'} ({count})"


def _quantity(axes: Axes, name: str) -> str:
    """Label of an axis, or of one that shares it."""
    shared = axes.get_shared_x_axes() if name == "x" else axes.get_shared_y_axes()
    labels = (getattr(other, f"get_{name}label")() for other in (axes, *shared.get_siblings(axes)))
    return next((label.replace("\n", " ") for label in labels if label), "")


def _names(axis: Axis) -> list[list[Any]]:
    """Places and words of an axis that has words, and not only numbers, for ticks."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator):
        return []
    places = [float(place) for place in axis.get_majorticklocs()]
    words = [str(formatter(place, index)) for index, place in enumerate(places)]
    return [[place, word] for place, word in zip(places, words, strict=True)] if any(map(_is_word, words)) else []


def _is_word(text: str) -> bool:
    try:
        float(text.replace("−", "-"))
    except ValueError:
        return bool(text)
    return False


def _series(axes: Axes) -> Iterator[Series]:
    """Everything that is drawn in data coordinates, in the order in which it was."""
    seen: set[int] = set()
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line, caps, bars = container.lines
            seen |= {id(item) for item in (line, *caps, *bars) if item is not None}
            if line is not None:
                yield _name(container.get_label()) | _line(line) | _errors(container)
        elif isinstance(container, BarContainer) and any(p.get_width() and p.get_height() for p in container.patches):
            yield _name(container.get_label()) | _bars(container)
    for line in axes.lines:
        if id(line) not in seen and (found := _own_line(axes, line)):
            yield _name(line.get_label()) | found
    for collection in axes.collections:
        if id(collection) not in seen and (found := _collection(collection)):
            yield _name(collection.get_label()) | found


def _name(label: object) -> Series:
    """A name that the legend shows; others are of the library alone."""
    return {"name": "" if str(label).startswith("_") else str(label)}


def _line(line: Line2D) -> Series:
    return {"x": _short(line.get_xdata(orig=False)), "y": _short(line.get_ydata(orig=False))}


def _own_line(axes: Axes, line: Line2D) -> Series:
    """A line in data coordinates; one across the whole panel has its one coordinate; nothing of one without points."""
    found = _line(line)
    across, up = line.get_transform().contains_branch_seperately(axes.transData)
    if not found["x"] or not (across or up):
        return {}
    if across and up:
        return found
    return {"x": found["x"][:1], "y": [None]} if across else {"x": [None], "y": found["y"][:1]}


def _errors(container: ErrorbarContainer) -> Series:
    """Ends of the bars of errors."""
    found: Series = {}
    ways = [way for way, has in (("x", container.has_xerr), ("y", container.has_yerr)) if has]
    for way, bars in zip(ways, container.lines[2], strict=True):
        ends = np.array(bars.get_segments()).reshape(-1, 2, 2)[:, :, 0 if way == "x" else 1]
        if len(ends) and np.ptp(ends, axis=1).any():
            found |= {f"{way}_low": _short(ends[:, 0]), f"{way}_high": _short(ends[:, 1])}
    return found


def _bars(container: BarContainer) -> Series:
    """Bars by the middle of their foot and their length."""
    upright = container.orientation != "horizontal"
    boxes = [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in container.patches]
    feet = [x + width / 2 if upright else y + height / 2 for x, y, width, height in boxes]
    lengths = [height if upright else width for _, _, width, height in boxes]
    base = [y if upright else x for x, y, _, _ in boxes]
    places = {"x": _short(feet), "y": _short(lengths)} if upright else {"x": _short(lengths), "y": _short(feet)}
    return places | ({"base": _short(base), "upright": upright} if any(base) else {})


def _collection(collection: Collection) -> Series:
    """A cloud of points or a band; nothing of anything else."""
    if isinstance(collection, FillBetweenPolyCollection):
        corners = np.asarray(collection.get_paths()[0].vertices) if collection.get_paths() else np.zeros((0, 2))
        count = (len(corners) - 3) // 2
        if count < 1:
            return {}
        first, second = corners[1 : count + 1], corners[count + 2 : 2 * count + 2][::-1]
        ends = np.sort([first[:, 1], second[:, 1]], axis=0)
        return {"x": _short(first[:, 0]), "y": [None] * count, "y_low": _short(ends[0]), "y_high": _short(ends[1])}
    if isinstance(collection, PathCollection) and len(offsets := np.asarray(collection.get_offsets())):
        return {"x": _short(offsets[:, 0]), "y": _short(offsets[:, 1])}
    return {}


def _short(values: Any, digits: int = 10) -> list[float | None]:
    """Numbers with ten digits, more than any figure needs; None for one that is not finite."""
    floats: list[float] = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel().tolist()
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in floats]
