"""Figures of a comparison: the equations of state of two studies, and the predictions of one potential by the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pesforge.report import svg
from pesforge.report.figures import family_style, legend_below, panels
from pesforge.report.figures_fit import MAX_POINTS

Row = Mapping[str, Any]
STYLES = ((svg.BLUE, "o", "-"), (svg.VERMILLION, "s", "--"))


def curves(names: Sequence[str], found: Sequence[Row]) -> str:
    """Energy against volume by both potentials and by the reference of each, and how far each potential is off."""
    with svg.drawing("eos"):
        figure, axes = panels(2, 3.1)
        for name, (color, marker, line), eos in zip(names, STYLES, found, strict=True):
            volume, dft, potential = (
                eos[key] for key in ("volume_ang3_per_atom", "dft_ev_per_atom", "potential_ev_per_atom")
            )
            axes[0].plot(volume, potential, line, color=color, label=name)
            axes[0].plot(volume, dft, marker, color=color, mfc="none", ls="none", label=f"{name}, DFT")
            difference = [1000 * (value - wanted) for value, wanted in zip(potential, dft, strict=True)]
            axes[1].plot(volume, difference, line, color=color, marker=marker, label=name)
        axes[0].set_ylabel("energy (eV/atom)")
        axes[1].set_ylabel("potential − DFT (meV/atom)")
        axes[1].axhline(0, color=svg.MUTED, linewidth=1)
        for panel in axes:
            panel.set_xlabel("volume (Å³/atom)")
            panel.ticklabel_format(useOffset=False)
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "eos", "Equations of state of both potentials and of DFT")


def parity(names: Sequence[str], judged: Row) -> str:
    """What one potential predicts against what the other does: energies by family, and force components."""
    energies, forces = judged["energy_ev_per_atom"], judged["force_ev_per_ang"]
    every = 1 + max(len(forces[0]) - 1, 0) // MAX_POINTS
    with svg.drawing("parity"):
        figure, axes = panels(2, 3.9)
        for family, (color, marker) in family_style(judged["families"]).items():
            mine = [index for index, name in enumerate(judged["families"]) if name == family]
            first, second = ([side[index] for index in mine] for side in energies)
            axes[0].scatter(first, second, color=color, marker=marker, s=24, alpha=0.85, label=family)
        axes[1].scatter(forces[0][::every], forces[1][::every], color=svg.BLUE, s=6, alpha=0.5, linewidths=0)
        for panel, values, words in (
            (axes[0], energies, "energy (eV/atom)"),
            (axes[1], forces, "force component (eV/Å)"),
        ):
            _identity(panel, [*values[0], *values[1]])
            panel.set_xlabel(f"{names[0]}: {words}")
            panel.set_ylabel(f"{names[1]}: {words}")
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "parity", f"Predictions of {names[1]} against those of {names[0]}")


def _identity(panel: Axes, values: Sequence[float]) -> None:
    limits = (min(values), max(values))
    panel.plot(limits, limits, color=svg.MUTED, linewidth=1, zorder=0)
    svg.few_ticks(panel, 5, 5)
    panel.ticklabel_format(useOffset=False)
