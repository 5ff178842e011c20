"""Candidates of the classical potentials: functional forms that suit the data, and parameters to start from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fitting.candidates import FitSettings, all_pairs, cutoffs
from pesforge.pairs import find_pairs
from pesforge.potentials.bonds import find_bonds, species_pairs
from pesforge.potentials.classical import Form
from pesforge.potentials.eam import EamForm
from pesforge.potentials.pair import SHAPES, PairForm
from pesforge.potentials.tersoff import TersoffForm
from pesforge.representations.arrays import FloatArray

SEARCH_ANG = 6.0
MOST_CUTOFFS = 2
"""Cutoffs that are tried, the shortest ones first: short ranges suit few parameters."""
ONSET_SHARE = 0.7
"""Onset of the smooth cutoff over the cutoff."""
SPLINES = (10, 5, 5)
"""Splines of pair energy, density and embedding; more of them gain nothing on the error left out by group."""
TYPICAL_NEIGHBOURS = 14.0
"""Density of 1 in units of the density of a neighbour at the nearest distance, second shells included."""
OUTER_FACTORS = (1.4, 1.6)
"""Outer radius of Tersoff's cutoff over the nearest-neighbour distance: before the second shell of open and of dense
crystals."""
CUTOFF_WIDTH_ANG = 0.4
SILICON_BOND_ANG = 2.35
TERSOFF_SILICON = (
    {
        "log_repulsion_ev": np.log(1830.8),
        "log_attraction_ev": np.log(471.18),
        "log_lambda1_per_ang": np.log(2.4799),
        "log_lambda2_per_ang": np.log(1.7322),
        "log_beta": np.log(1.1e-6),
        "log_n": np.log(0.78734),
        "log_c": np.log(1.0039e5),
        "log_d": np.log(16.217),
        "h": -0.59825,
        "tau_per_ang3": 0.0,
    },
    {
        "log_repulsion_ev": np.log(3264.7),
        "log_attraction_ev": np.log(95.373),
        "log_lambda1_per_ang": np.log(3.2394),
        "log_lambda2_per_ang": np.log(1.3258),
        "log_beta": np.log(0.33675),
        "log_n": np.log(22.956),
        "log_c": np.log(4.8381),
        "log_d": np.log(2.0417),
        "h": 0.0,
        "tau_per_ang3": 1.3258**3,
    },
)
"""Silicon by Tersoff, Phys. Rev. B 39, 5566 (1989) and 37, 6991 (1988), scaled to other bond lengths as starts."""


@dataclass(frozen=True)
class Candidate:
    """A functional form and the parameters that its training may start from.

    Args:
        form: functional form.
        starts: parameters by name.
        name: for messages.
    """

    form: Form
    starts: tuple[Mapping[str, FloatArray], ...]
    name: str


@dataclass(frozen=True)
class Scales:
    """What the structures say about lengths.

    Args:
        species: chemical symbols.
        nearest_ang: mean distance to the nearest neighbour.
        shortest_ang: shortest distance.
        pairs_ang: (Q,) shortest distance per unordered pair of species that is not rare, the 1 % quantile within reach.
    """

    species: tuple[str, ...]
    nearest_ang: float
    shortest_ang: float
    pairs_ang: FloatArray


def nearest_distance(frames: Sequence[Atoms]) -> float:
    """Mean distance in Å from an atom to its nearest neighbour, over all atoms with one within 6 Å.

    Raises:
        DataError: no two atoms are that close.
    """
    nearest = []
    for atoms in frames:
        centre, distance = find_pairs(atoms, SEARCH_ANG, "id")
        shortest = np.full(len(atoms), np.inf)
        np.minimum.at(shortest, centre, distance)
        nearest.append(shortest[np.isfinite(shortest)])
    found = np.concatenate(nearest)
    if not len(found):
        raise DataError(
            f"no two atoms of the training structures are within {SEARCH_ANG:g} Å: there is nothing to fit."
        )
    return float(found.mean())


def scales(frames: Sequence[Atoms]) -> Scales:
    """Lengths of labelled structures.

    Raises:
        DataError: no two atoms are within 6 Å.
    """
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    nearest = nearest_distance(frames)
    found: list[list[FloatArray]] = [[] for _ in species_pairs(len(species))]
    for atoms in frames:
        bonds = find_bonds(atoms, species, 1.5 * nearest, both_ways=False)
        for number, distances in enumerate(found):
            distances.append(bonds.distance[bonds.pair_species[:, number] > 0])
    joined = [np.concatenate(distances) for distances in found]
    usual = [float(np.quantile(distances, 0.3)) if len(distances) else nearest for distances in joined]
    return Scales(species, nearest, float(min(d.min() for d in joined if len(d))), np.array(usual))


def pair_candidates(frames: Sequence[Atoms], settings: FitSettings) -> list[Candidate]:
    """Lennard-Jones and Morse at every cutoff; Morse starts soft and stiff."""
    size = scales(frames)
    ones = np.ones(len(size.pairs_ang))
    candidates = []
    for cutoff in cutoffs(all_pairs(frames), settings)[:MOST_CUTOFFS]:
        for shape in SHAPES:
            start = {"log_depth_ev": -1.5 * ones, "log_radius_ang": np.log(size.pairs_ang)}
            starts = [start]
            if shape == "morse":
                starts = [{**start, "log_stiffness_per_ang": np.log(k / size.pairs_ang)} for k in (3.0, 5.0)]
            form = PairForm(size.species, shape, ONSET_SHARE * cutoff, cutoff)
            candidates.append(Candidate(form, tuple(starts), f"{shape}, cutoff {cutoff:g} Å"))
    return candidates


def eam_candidates(frames: Sequence[Atoms], settings: FitSettings) -> list[Candidate]:
    """The embedded-atom form at every cutoff, from a shallow and from a deep embedding."""
    size = scales(frames)
    pairs, ones = np.ones(len(size.pairs_ang)), np.ones(len(size.species))
    candidates = []
    for cutoff in cutoffs(all_pairs(frames), settings)[:MOST_CUTOFFS]:
        form = EamForm(size.species, size.shortest_ang, size.nearest_ang, ONSET_SHARE * cutoff, cutoff, *SPLINES)
        start = {name: np.zeros(shape) for name, shape in form.shapes().items()}
        start |= {
            "log_depth_ev": -1.5 * pairs,
            "log_radius_ang": np.log(size.pairs_ang),
            "log_stiffness_per_ang": np.log(4.0 / size.pairs_ang),
            "log_density": -np.log(TYPICAL_NEIGHBOURS) * ones,
            "density_decay": 4.0 * ones,
        }
        starts = tuple({**start, "log_embedding_ev": np.log(depth) * ones} for depth in (1.0, 3.0))
        candidates.append(Candidate(form, starts, f"cutoff {cutoff:g} Å"))
    return candidates


def tersoff_candidates(frames: Sequence[Atoms], settings: FitSettings) -> list[Candidate]:
    """The bond-order form at two radii, from silicon's published parameters scaled to the bond length."""
    size = scales(frames)
    stretch = size.nearest_ang / SILICON_BOND_ANG
    candidates = []
    for factor in OUTER_FACTORS:
        outer = round(factor * size.nearest_ang, 2)
        form = TersoffForm(size.species, outer - CUTOFF_WIDTH_ANG, outer)
        starts = []
        for silicon in TERSOFF_SILICON:
            scaled = {
                **silicon,
                "log_lambda1_per_ang": silicon["log_lambda1_per_ang"] - np.log(stretch),
                "log_lambda2_per_ang": silicon["log_lambda2_per_ang"] - np.log(stretch),
                "tau_per_ang3": silicon["tau_per_ang3"] / stretch**3,
            }
            starts.append({name: np.full(shape, scaled[name]) for name, shape in form.shapes().items()})
        candidates.append(Candidate(form, tuple(starts), f"cutoff {form.inner_ang:.2f} to {outer:g} Å"))
    return candidates


CANDIDATES: Mapping[str, Callable[[Sequence[Atoms], FitSettings], list[Candidate]]] = {
    "pair": pair_candidates,
    "eam": eam_candidates,
    "tersoff": tersoff_candidates,
}
"""Candidates of every classical form."""
