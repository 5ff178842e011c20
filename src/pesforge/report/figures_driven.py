"""Figure of the structures that a driver made: radial distributions of crystal, melt and glass."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels

Row = Mapping[str, Any]
PHASES = {"md": "crystal", "liquid": "liquid", "amorphous": "amorphous"}
NAME = "radial-distribution"


def radial_distribution(runs: Sequence[Row]) -> str:
    """g(r) by phase: the thick line is the mean of the runs of a phase, thin ones are the single runs.

    Args:
        runs: those of the evidence that have a radial distribution.
    """
    with svg.drawing(NAME):
        figure, axes = panels(1, 3.2)
        for (family, phase), colour in zip(PHASES.items(), svg.SERIES, strict=False):
            members = [run["rdf"] for run in runs if run["family"] == family]
            if not members:
                continue
            for rdf in members:
                axes[0].plot(rdf["r_ang"], rdf["g"], color=colour, linewidth=0.6, alpha=0.5)
            mean = np.mean([rdf["g"] for rdf in members], axis=0)
            runs_of = "run" if len(members) == 1 else "runs"
            axes[0].plot(members[0]["r_ang"], mean, color=colour, label=f"{phase}, {len(members)} {runs_of}")
        axes[0].axhline(1.0, color=svg.MUTED, linestyle=":", linewidth=1)
        axes[0].set_xlabel("distance r (Å)")
        axes[0].set_ylabel("pair distribution g(r)")
        axes[0].set_ylim(bottom=0)
        closest = min(r for run in runs for r, g in zip(run["rdf"]["r_ang"], run["rdf"]["g"], strict=True) if g > 0)
        axes[0].set_xlim(left=max(0.0, closest - 0.5))
        legend_below(figure, axes[0])
        return svg.to_svg(figure, NAME, "Pair distribution functions of the runs of each phase")
