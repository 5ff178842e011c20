"""Thermal displacements in a supercell of the parent: what atoms do to each other that are images in its own cell."""

from ase import Atoms

from pesforge.family_settings import Wide
from pesforge.provenance import derive_seed
from pesforge.sampling.counts import largest_remainder
from pesforge.sampling.frames import make_cell_frame, thermal_displacements
from pesforge.sampling.measured import Measured

NAME = "wide"


def sample(parent: Atoms, settings: Wide, measured: Measured, seed: int) -> list[Atoms]:
    """Supercells with independent Gaussian displacements; each draw is a group of its own.

    In a small cell an atom and its images move together, so that labels there fix sums of force constants over images
    alone. The number at each temperature goes with T, as in the family `thermal`; a structure depends on the seed, its
    temperature and its number there alone.

    Args:
        parent: parent crystal.
        settings: supercell, temperatures and count.
        measured: k_eff of every species.
        seed: seed of the study.
    """
    crystal = parent.repeat(settings.supercell)
    frames = []
    counts = largest_remainder(settings.temperatures_k, settings.count)
    for temperature, count in zip(settings.temperatures_k, counts, strict=True):
        for number in range(count):
            own = derive_seed(seed, NAME, f"{temperature:g}", number)
            name = f"{NAME}-{temperature:g}K-{number:04d}"
            moved = thermal_displacements(crystal, measured.stiffness, temperature, own)
            frame = make_cell_frame(
                crystal,
                origin=parent,
                name=name,
                family=NAME,
                group=name,
                seed=own,
                displacements=moved,
                temperature_k=temperature,
            )
            frames.append(frame)
    return frames
