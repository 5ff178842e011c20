"""The perfect crystal at several volumes."""

import numpy as np
from ase import Atoms

from pesforge.family_settings import Volume
from pesforge.sampling.frames import make_frame
from pesforge.sampling.measured import Measured

NAME = "volume"


def sample(parent: Atoms, settings: Volume, measured: Measured, seed: int) -> list[Atoms]:
    """The parent at equally spaced linear strains from −max to +max, all one group.

    Nothing here is random: `measured` and `seed` are part of the signature that all families share.

    Args:
        parent: parent crystal.
        settings: number of volumes and largest linear strain; a single volume is the parent's.
        measured: not used.
        seed: written into the structures.
    """
    largest = settings.linear_strain_max
    strains = np.linspace(-largest, largest, settings.count) if settings.count > 1 else np.zeros(1)
    return [
        make_frame(parent, name=f"{NAME}-{number:03d}", family=NAME, group=NAME, seed=seed, strain=strain * np.eye(3))
        for number, strain in enumerate(strains)
    ]
