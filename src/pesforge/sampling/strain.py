"""Strained cells: hydrostatic and deviatoric parts sampled separately."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from pesforge.family_settings import Strain
from pesforge.fields import FAMILY, ID, STRAIN
from pesforge.provenance import derive_seed
from pesforge.sampling.frames import make_frame, thermal_displacements
from pesforge.sampling.measured import Measured

NAME = "strain"
PLASTIC = 1.324717957244746
"""Root of x³ = x + 1: multiples of its inverse powers, taken modulo 1, fill the unit square evenly (Roberts' R₂)."""


def sample(parent: Atoms, settings: Strain, measured: Measured, seed: int) -> list[Atoms]:
    """Strained structures; all amplitudes of one direction share a group.

    A direction is h I + D with h in ±`hydrostatic_max` and D traceless of Frobenius norm up to `deviatoric_max` and of
    uniformly random orientation. Both sizes follow an evenly filling sequence with a random start, so that few paths
    cover the ranges, and a larger number of paths keeps the first ones.

    Args:
        parent: parent crystal.
        settings: ranges, number of paths, amplitudes.
        measured: k_eff of every species, for the added displacements.
        seed: seed of the study.
    """
    start = np.random.default_rng(derive_seed(seed, NAME)).random(2)
    frames = []
    for path in range(settings.paths):
        even = (start + path * np.array([1 / PLASTIC, 1 / PLASTIC**2])) % 1
        rng = np.random.default_rng(derive_seed(seed, NAME, path))
        hydrostatic = settings.hydrostatic_max * (2 * even[0] - 1)
        direction = hydrostatic * np.eye(3) + settings.deviatoric_max * even[1] * random_deviator(rng)
        for number, amplitude in enumerate(settings.amplitudes):
            own = derive_seed(seed, NAME, path, number)
            rattle = None
            if settings.rattle_temperature_k > 0:
                rattle = thermal_displacements(parent, measured.stiffness, settings.rattle_temperature_k, own)
            frames.append(
                make_frame(
                    parent,
                    name=f"{NAME}-{path:03d}-{number:02d}",
                    family=NAME,
                    group=f"{NAME}-{path:03d}",
                    seed=own,
                    strain=amplitude * direction,
                    displacements=rattle,
                    temperature_k=settings.rattle_temperature_k,
                )
            )
    return frames


def random_deviator(rng: np.random.Generator) -> NDArray[np.float64]:
    """Symmetric traceless (3, 3) tensor of Frobenius norm 1, uniform among all of them."""
    noise = rng.normal(size=(3, 3))
    tensor = (noise + noise.T) / 2
    tensor -= np.trace(tensor) / 3 * np.eye(3)
    return np.asarray(tensor / np.linalg.norm(tensor))


def invariants(strain: NDArray[np.float64]) -> tuple[float, float]:
    """I₁ = tr ε and J₂ = ½ dev ε : dev ε of a strain.

    Args:
        strain: (6,) order xx yy zz yz xz xy, tensor shear components.
    """
    xx, yy, zz, yz, xz, xy = (float(value) for value in strain)
    mean = (xx + yy + zz) / 3
    normal = (xx - mean) ** 2 + (yy - mean) ** 2 + (zz - mean) ** 2
    return 3 * mean, 0.5 * normal + yz**2 + xz**2 + xy**2


def strain_evidence(frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    """`id`, `family`, `i1` and `j2` of every strained structure of any family.

    Args:
        frames: structures; those without strain are passed over.
    """
    rows = []
    for frame in frames:
        strain = np.asarray(frame.info[STRAIN], dtype=float)
        if strain.any():
            i1, j2 = invariants(strain)
            rows.append({"id": str(frame.info[ID]), "family": str(frame.info[FAMILY]), "i1": i1, "j2": j2})
    return rows
