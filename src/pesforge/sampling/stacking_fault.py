"""Generalised stacking faults: two halves of the crystal slid along each other."""

from ase import Atoms

from pesforge.family_settings import StackingFault
from pesforge.sampling.frames import make_cell_frame
from pesforge.sampling.lattice_planes import block, hkl_name, plane_cell, repeat_vector, sheared
from pesforge.sampling.measured import Measured

NAME = "stacking_fault"


def sample(parent: Atoms, settings: StackingFault, measured: Measured, seed: int) -> list[Atoms]:
    """Blocks of crystal with one fault each, at even shifts along every line; one group per line.

    The third cell vector is tilted by the shift while the atoms stay: the fault lies between the upper face of the
    block and its image, no vacuum is needed, and shift 0 is the perfect crystal. Nothing is relaxed, not even the gap.
    The mesh of k-points is that of the block without shift, so that the energy along a line has no jumps. Nothing here
    is random: `measured` and `seed` are part of the signature that all families share.

    Args:
        parent: parent crystal.
        settings: lines, points and thickness.
        measured: not used.
        seed: written into the structures.

    Raises:
        DataError: a line names a gap between atomic planes that is not there.
    """
    frames = []
    for line in settings.lines:
        plane = plane_cell(parent, line.hkl)
        perfect, repeat = block(plane, line.cut, settings.layers), repeat_vector(plane, line.direction)
        group = f"{NAME}-{hkl_name(line.hkl)}-{line.cut}-{hkl_name(line.direction)}"
        for point in range(settings.points):
            share = point / settings.points
            frames.append(
                make_cell_frame(
                    sheared(perfect, share * repeat),
                    origin=parent,
                    name=f"{group}-{share:.4f}",
                    family=NAME,
                    group=group,
                    seed=seed,
                    reference_cell=perfect.cell.array,
                )
            )
    return frames
