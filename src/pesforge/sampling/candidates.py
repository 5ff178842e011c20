"""Cheap candidates: strained, displaced and compressed cells of which none is labelled unless it fills a gap."""

import numpy as np
from ase import Atoms

from pesforge.family_settings import Candidates, Sample
from pesforge.provenance import derive_seed
from pesforge.sampling.compression import compressed, nearest_distance
from pesforge.sampling.frames import make_cell_frame, make_frame, thermal_displacements
from pesforge.sampling.measured import Measured
from pesforge.sampling.strain import PLASTIC, random_deviator
from pesforge.settings_types import NonNegative

NAME = "gaps"
KINDS = 3
"""Strained and displaced, displaced, compressed."""


class CandidateRange(Candidates):
    """Candidates with all of their ranges stated."""

    hydrostatic_max: NonNegative
    deviatoric_max: NonNegative
    temperature_max_k: NonNegative


def stated_range(sample: Sample) -> CandidateRange:
    """The ranges of the candidates of a study: those that are null are the largest of its families, 0 without any.

    Args:
        sample: families.
    """
    strain, volume = sample.strain, sample.volume
    temperatures = [max(family.temperatures_k) for family in (sample.thermal, sample.phonon) if family]
    largest = {
        "hydrostatic_max": max(strain.hydrostatic_max if strain else 0, volume.linear_strain_max if volume else 0),
        "deviatoric_max": strain.deviatoric_max if strain else 0,
        "temperature_max_k": max([strain.rattle_temperature_k if strain else 0, *temperatures]),
    }
    stated = {key: value for key, value in sample.candidates.model_dump().items() if value is not None}
    return CandidateRange.model_validate({**largest, **stated})


def candidate(parent: Atoms, settings: CandidateRange, measured: Measured, seed: int, number: int) -> Atoms:
    """One candidate, a group of its own; it depends on the seed, its number and the ranges alone.

    Strains fill the plane of tr ε and |dev ε| evenly, in random directions; temperatures and compressions are uniformly
    random.

    Args:
        parent: parent crystal.
        settings: ranges.
        measured: k_eff of every species.
        seed: seed of the study.
        number: number of the candidate.
    """
    own = derive_seed(seed, NAME, number)
    rng = np.random.default_rng(own)
    place, kind = divmod(number, KINDS)
    name = f"{NAME}-{number:05d}"
    if kind == KINDS - 1:
        nearest = nearest_distance(parent, float(parent.cell.lengths().min()))
        shrunk, shifts = compressed(parent, float(rng.uniform(settings.fraction_min, 1)), nearest, rng)
        return make_cell_frame(
            shrunk, origin=parent, name=name, family=NAME, group=name, seed=own, displacements=shifts
        )
    strain = None
    if kind == 0:
        start = np.random.default_rng(derive_seed(seed, NAME)).random(2)
        even = (start + place * np.array([1 / PLASTIC, 1 / PLASTIC**2])) % 1
        strain = settings.hydrostatic_max * (2 * even[0] - 1) * np.eye(3)
        strain = strain + settings.deviatoric_max * even[1] * random_deviator(rng)
    temperature = float(settings.temperature_max_k * rng.random())
    return make_frame(
        parent,
        name=name,
        family=NAME,
        group=name,
        seed=own,
        strain=strain,
        displacements=thermal_displacements(
            parent, measured.stiffness, temperature, derive_seed(seed, NAME, number, "displacements")
        ),
        temperature_k=temperature,
    )
