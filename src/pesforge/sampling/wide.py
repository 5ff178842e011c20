"""Thermal displacements in a wider cell: what atoms do to each other that are images in the parent's own cell."""

from ase import Atoms

from pesforge.family_settings import Wide
from pesforge.sampling.counts import thermal_draws
from pesforge.sampling.frames import make_cell_frame, thermal_displacements
from pesforge.sampling.measured import Measured
from pesforge.sampling.wide_cell import wider_cell

NAME = "wide"


def sample(parent: Atoms, settings: Wide, measured: Measured, seed: int) -> list[Atoms]:
    """Wide cells with independent Gaussian displacements; each draw is a group of its own.

    In a small cell an atom and its images move together, so that labels there fix sums of force constants over images
    alone.

    Args:
        parent: parent crystal.
        settings: width, temperatures and count.
        measured: k_eff of every species.
        seed: seed of the study.

    Raises:
        DataError: the parent's own cell is as wide, or no supercell of a size that can be labelled is.
    """
    crystal = wider_cell(parent, settings.width_ang)
    return [
        make_cell_frame(
            crystal,
            origin=parent,
            name=name,
            family=NAME,
            group=name,
            seed=own,
            displacements=thermal_displacements(crystal, measured.stiffness, temperature, own),
            temperature_k=temperature,
        )
        for name, temperature, own in thermal_draws((NAME,), settings.temperatures_k, settings.count, seed)
    ]
